import { describe, expect, test } from 'vitest'
import { givenTraffic, openRaw, rawChat, readAll, type GivenTraffic } from './support.ts'

const STREAM = {
  messages: [{ role: 'user', content: 'tokens:12 ภาษาไทย 😀' }],
  stream: true,
  stream_options: { include_usage: true },
}

/** The answer as the provider sends it, and as it comes through the gateway. */
async function bothWays(
  given: GivenTraffic,
  fault: string,
): Promise<{ readonly direct: Buffer; readonly through: Buffer; readonly error: unknown }> {
  const request = rawChat(STREAM, { 'x-simulator-fault': fault })
  await using provider = await openRaw(given.simulator.port)
  const { body: direct } = await provider.ask(request)
  // The same ordinal again, so that the same ids are made up.
  given.simulator.clear()
  const { bytes: through, error } = await readAll(await given.ask(STREAM, fault))
  return { direct, through, error }
}

describe('F29 a stream passes byte by byte as it came', () => {
  test.each([
    'none',
    'segment=1',
    'segment=7',
    'stream=crlf',
    'stream=cr',
    'stream=mixed',
    'stream=bom',
    'stream=comments',
    'stream=multi-data',
    'stream=no-space',
    'stream=fields',
    'stream=done-twice',
    'stream=bom,comments,multi-data,fields,mixed,done-twice; segment=1',
    'stream=cr; segment=1',
    'stream=crlf,multi-data; segment=3',
    'malformed-event=json',
    'malformed-event=utf8',
    'malformed-event=not-an-event',
    'huge-event=1000000',
    'huge-event=8388608',
    'no-newline=8388608',
    'framing=close',
    'framing=length',
  ])('%s', async (fault) => {
    await using given = await givenTraffic()
    const { direct, through, error } = await bothWays(given, fault)
    expect(through.length).toBe(direct.length)
    expect(through.equals(direct)).toBe(true)
    expect(error).toBeUndefined()
    const [line] = await given.lines(1)
    expect(line).toMatchObject({ outcome: 'ok', ai: { streamed: true, model: 'gpt-4.1' } })
    // The figures at the end are found, whatever surrounds them.
    expect(line?.ai?.usage).toMatchObject({ completion_tokens: 12, source: 'provider' })
    await given.quiet()
  })

  test('a stream of which one event is above 4 MiB can still be told to be broken', async () => {
    await using given = await givenTraffic()
    const { text, error } = await readAll(
      await given.ask(STREAM, 'huge-event=8388608; end=before-terminal'),
    )
    expect(text.trimEnd().split('\n\n').at(-1)).toContain('upstream_truncated')
    expect(error).toBeInstanceOf(TypeError)
  })
})

describe('F28 an answer that is encoded although we ask for identity', () => {
  test.each(['gzip', 'br', 'deflate', 'zstd', 'gzip,br', 'gzip*50'])(
    '%s: its bytes pass, usage is estimated',
    async (encoding) => {
      await using given = await givenTraffic()
      for (const stream of [false, true]) {
        const request = rawChat(
          { ...STREAM, stream, stream_options: undefined },
          { 'x-simulator-fault': `encoding=${encoding}`, 'Accept-Encoding': 'gzip, br' },
        )
        await using provider = await openRaw(given.simulator.port)
        given.simulator.clear()
        const direct = await provider.ask(request)
        given.simulator.clear()
        await using client = await openRaw(given.port)
        const through = await client.ask(request)
        expect(given.simulator.requests[0]?.header('accept-encoding')).toBe('identity')
        expect(through.headers.get('content-encoding')).toBe(direct.headers.get('content-encoding'))
        expect(through.body.equals(direct.body)).toBe(true)
      }
      for (const line of await given.lines(2)) {
        expect(line).toMatchObject({ outcome: 'ok', ai: { usage: { source: 'estimated' } } })
        expect(line.ai?.usage.completion_tokens).toBeGreaterThan(0)
      }
    },
  )

  test.each([
    ['cut in the middle', 'encoding=gzip; truncated-encoding'],
    ['a bomb of 1000:1', 'encoding=gzip; bomb=5000000'],
  ])('%s: is neither decoded nor held', async (_what, fault) => {
    await using given = await givenTraffic()
    await using client = await openRaw(given.port)
    const answer = await client.ask(rawChat({}, { 'x-simulator-fault': fault }))
    expect([answer.status, answer.headers.get('content-encoding')]).toEqual([200, 'gzip'])
    expect(answer.body.length).toBeLessThan(100_000)
    await given.quiet()
  })
})
