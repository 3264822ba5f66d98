import { describe, expect, test } from 'vitest'
import { givenGateway } from '../gateway.ts'
import { givenTraffic, openRaw, rawChat, readAll, until, type GivenTraffic } from './support.ts'

const TOKENS = { messages: [{ role: 'user', content: 'tokens:20' }] }
const STREAM = { ...TOKENS, stream: true }

/** How many tokens of a stream are in the text. */
const tokensIn = (text: string): number => text.split('"delta":{"content":"').length - 1

/** The text of the error event at the end of a stream. @throws {Error} when its last event is something else. */
function errorEventOf(text: string): Record<string, unknown> {
  const last = text.trimEnd().split('\n\n').at(-1) ?? ''
  const data = JSON.parse(last.replace(/^data: /, '')) as { error: Record<string, unknown> }
  return data.error
}

describe('a stream that does not end is never ended cleanly', () => {
  test.each([
    ['F21 the provider stalls', 'hang=after-tokens:5', 'upstream_idle_timeout', 'upstream_timeout'],
    ['F22 the provider resets', 'reset=after-tokens:5', 'upstream_truncated', 'truncated'],
    ['F22 the provider closes', 'close=after-tokens:5', 'upstream_truncated', 'truncated'],
    ['F23 the provider ends in order', 'end=after-tokens:5', 'upstream_truncated', 'truncated'],
  ])('%s: what came, an error event, a broken message', async (_what, fault, code, outcome) => {
    await using given = await givenTraffic()
    const { text, error } = await readAll(await given.ask(STREAM, fault))
    expect(tokensIn(text)).toBe(5)
    expect(errorEventOf(text)).toMatchObject({ type: 'server_error', code })
    expect(text).not.toContain('[DONE]')
    expect(error).toBeInstanceOf(TypeError)
    const [line] = await given.lines(1)
    expect(line).toMatchObject({
      outcome,
      response: { status: 200 },
      ai: { usage: { completion_tokens: 5, source: 'estimated' } },
    })
    // A connection is used again only when its last message was complete.
    await given.ask()
    expect(given.simulator.requests[1]?.connectionRequests).toBe(fault.startsWith('end') ? 1 : 0)
    await given.quiet()
  })

  test('F22 the client is told within 100 ms of the reset', async () => {
    await using given = await givenTraffic()
    const answer = await given.ask(STREAM, 'reset=after-tokens:5')
    await readAll(answer)
    const toldMs = performance.now()
    const reset = given.simulator.requests[0]?.timeOf('server-reset') ?? 0
    expect(toldMs - reset).toBeLessThan(100)
  })

  test.each([
    ['after its finish reason', 'end=before-terminal', {}],
    ['after its usage', 'end=before-terminal', { stream_options: { include_usage: true } }],
    ['before its first token', 'end=after-tokens:0', {}],
    ['with no event at all', 'end=after-headers', {}],
  ])('F23 only the terminal event ends it: %s', async (_where, fault, options) => {
    await using given = await givenTraffic()
    const { text, error } = await readAll(await given.ask({ ...STREAM, ...options }, fault))
    expect(errorEventOf(text)).toMatchObject({ code: 'upstream_truncated' })
    expect(error).toBeInstanceOf(TypeError)
  })

  test('F23 an HTTP/1.0 client, who knows the end by the close alone, sees a reset', async () => {
    await using given = await givenTraffic()
    await using client = await openRaw(given.port)
    const request = rawChat(STREAM, { 'x-simulator-fault': 'end=after-tokens:3' })
    client.send(request.replace('HTTP/1.1', 'HTTP/1.0'))
    await client.until(() => client.closed || client.ended).catch(() => undefined)
    await until(() => client.closed || client.ended, 'the end of the connection')
    expect(client.text).toContain('upstream_truncated')
    expect([client.reset, client.ended]).toEqual([true, false])
  })

  test('F30 an error that the provider tells inside of a stream goes on as it is', async () => {
    await using given = await givenTraffic()
    const fault = 'error=after-tokens:3; error-code=overloaded'
    const { text, error } = await readAll(await given.ask(STREAM, fault))
    expect(errorEventOf(text)).toMatchObject({ code: 'overloaded' })
    expect(error).toBeUndefined()
    expect(await given.lines(1)).toMatchObject([{ outcome: 'upstream_error' }])
  })
})

describe('F24 a body shorter than declared', () => {
  test.each([
    ['short-body', 'closed'],
    ['reset=half', 'reset'],
    ['declared-length=+10', 'declared longer'],
    ['framing=chunked; close=half', 'chunked and cut'],
  ])('of AI JSON (%s) is withheld whole: 502 upstream_truncated', async (fault) => {
    await using given = await givenTraffic()
    const answer = await given.ask(TOKENS, fault)
    const body = (await answer.json()) as { error: object }
    expect(answer.status).toBe(502)
    expect(body.error).toMatchObject({ code: 'upstream_truncated', type: 'server_error' })
    expect(JSON.stringify(body)).not.toContain('chatcmpl')
    expect(answer.headers.get('cache-control')).toBe('no-store')
    expect(await given.lines(1)).toMatchObject([{ outcome: 'truncated' }])
    expect(given.simulator.requests).toHaveLength(1)
    await given.quiet()
  })

  test.each(['short-body', 'framing=chunked; close=half', 'reset=half'])(
    'of a plain service (%s) breaks the connection',
    async (fault) => {
      await using plain = await givenPlain()
      const answer = await plain.ask(TOKENS, fault)
      const { bytes, error } = await readAll(answer)
      expect(answer.status).toBe(200)
      expect(bytes.length).toBeGreaterThan(0)
      expect(error).toBeInstanceOf(TypeError)
      expect(await plain.lines(1)).toMatchObject([{ outcome: 'truncated' }])
    },
  )

  test('is not kept by a cache', async () => {
    await using given = await givenTraffic({
      plugins:
        'plugins:\n- name: proxy-cache\n  config: {strategy: memory, request_method: [POST], content_type: [application/json]}\n',
    })
    expect((await given.ask(TOKENS, 'short-body; attempts=1')).status).toBe(502)
    const again = await given.ask(TOKENS, 'short-body; attempts=1')
    expect([again.status, again.headers.get('x-cache-status')]).toEqual([200, 'Miss'])
    await readAll(again)
    const kept = await given.ask(TOKENS, 'short-body; attempts=1')
    expect(kept.headers.get('x-cache-status')).toBe('Hit')
  })
})

describe('F25 bytes behind the answer', () => {
  test.each([
    ['a second response', 'extra-bytes'],
    ['half a response', 'extra-bytes=HTTP/1.1 200 OK'],
    ['a byte', 'extra-bytes=x'],
  ])('%s: nobody gets them, the connection is not used again', async (_what, fault) => {
    await using given = await givenTraffic()
    for (let round = 0; round < 3; round++) {
      const first = await given.ask(
        { messages: [{ role: 'user', content: `nonce:a${round}` }] },
        fault,
      )
      expect(await first.text()).toContain(`a${round}`)
      const second = await given.ask({ messages: [{ role: 'user', content: `nonce:b${round}` }] })
      expect(await second.text()).toContain(`b${round}`)
      expect(second.status).toBe(200)
    }
    const connections = given.simulator.requests.map(({ connection }) => connection)
    for (const [i, request] of given.simulator.requests.entries()) {
      if (request.fault !== undefined)
        expect(connections.slice(i + 1)).not.toContain(request.connection)
    }
  })
})

describe('F26 what is no HTTP', () => {
  const raw = (text: string): string => `raw=${Buffer.from(text).toString('base64')}`
  const GARBAGE = [
    'garbage',
    'status-line=HTTP/9.9 200 OK',
    'status-line=HTTP/1.1 2OO OK',
    'header-bytes=102400',
    'header-count=10000',
    'bad-header=nul',
    'bad-header=cr',
    'bad-header=lf',
    'bad-header=obs-fold',
    'bad-header=no-colon',
    'bad-header=space',
    'bad-header=empty-name',
    raw('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}'),
    raw('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'),
    raw(
      'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}',
    ),
    raw('HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\n{}'),
    raw('\0\0\0'),
  ]

  test.each(GARBAGE)(
    '%s: 502 without a byte of it, and the next request is served',
    async (fault) => {
      await using given = await givenTraffic()
      const answer = await given.ask(TOKENS, fault)
      const text = await answer.text()
      if (fault === 'bad-header=obs-fold' && answer.status === 200) {
        // A recipient may take a fold for blanks (RFC 9112 §5.2); what it must not do is pass it on.
        expect(answer.headers.get('x-bad')).not.toMatch(/[\r\n]/)
      } else {
        expect(answer.status).toBe(502)
        expect(JSON.parse(text)).toMatchObject({ error: { type: 'server_error' } })
        expect(
          [...answer.headers.keys()].filter((name) => /^x-(bad|huge|many|smug)/.test(name)),
        ).toEqual([])
      }
      const next = await given.ask()
      expect(next.status).toBe(200)
      await next.text()
      await given.quiet()
    },
  )
})

describe('F27 interim responses', () => {
  test('a few are not the client’s, and the final answer is', async () => {
    await using given = await givenTraffic()
    const answer = await given.ask(TOKENS, 'informational=103*100')
    expect(answer.status).toBe(200)
    expect(await answer.json()).toMatchObject({ object: 'chat.completion' })
  })

  test('a flood of them is no answer', async () => {
    await using given = await givenTraffic()
    const answer = await given.ask(TOKENS, 'informational=103*10000')
    expect(answer.status).toBe(502)
    expect(await answer.json()).toMatchObject({ error: { code: 'upstream_protocol_error' } })
  })
})

/** The same simulator behind a service whose traffic is not recognised. */
const givenPlain = (): Promise<GivenTraffic> => givenTraffic({ servicePath: '' })

test('F24 withheld only if nothing was committed: a plain answer that fails before its body', async () => {
  await using given = await givenPlain()
  const answer = await given.ask(TOKENS, 'reset=before-headers')
  expect(answer.status).toBe(502)
  expect(await answer.json()).toMatchObject({
    message: 'An invalid response was received from the upstream server',
  })
})

test('F17 nothing listens: 502 in the shape of the client’s library', async () => {
  await using given = await givenGateway({
    configuration: `_format_version: "3.0"
services:
- {name: s, url: "http://127.0.0.1:1/v1/messages", retries: 0, routes: [{name: r, paths: [/m]}]}
`,
  })
  const answer = await fetch(`${given.url}/m`, { method: 'POST', body: '{}' })
  expect(answer.status).toBe(502)
  expect(await answer.json()).toMatchObject({ type: 'error', error: { type: 'api_error' } })
})
