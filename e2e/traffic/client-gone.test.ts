import { describe, expect, test } from 'vitest'
import { closedAfter, givenTraffic, openRaw, rawChat, until } from './support.ts'

/** F05: how soon the provider must be let go. */
const LIMIT_MS = 250

describe('F05 a client that goes before the first token', () => {
  test.each([
    ['by RST, streaming', true, 'reset'],
    ['by RST, not streaming', false, 'reset'],
    ['by FIN of both ways, streaming', true, 'fin'],
    ['by FIN of both ways, not streaming', false, 'fin'],
  ])('%s: the provider is let go, nothing is retried', async (_how, stream, how) => {
    await using given = await givenTraffic()
    await using client = await openRaw(given.port)
    client.send(rawChat({ stream }, { 'x-simulator-fault': 'delay=20s' }))
    const request = await given.simulator.waitForRequest()
    const leftMs = performance.now()
    if (how === 'reset') client.socket.resetAndDestroy()
    else client.destroy()
    expect(await closedAfter(request, leftMs)).toBeLessThan(LIMIT_MS)
    const [line] = await given.lines(1)
    expect(line).toMatchObject({
      outcome: 'client_cancelled',
      ai: { model: 'gpt-4.1', usage: { completion_tokens: 0, source: 'estimated' } },
    })
    expect(line?.ai?.usage.prompt_tokens).toBeGreaterThan(0)
    expect(line?.tries).toHaveLength(1)
    expect(given.simulator.requests).toHaveLength(1)
    await given.quiet()
  })

  test('in the middle of its request body: the provider never hears of it, and no limit counts it', async () => {
    await using given = await givenTraffic({
      plugins: 'plugins:\n- name: rate-limiting\n  config: {minute: 2, policy: local}\n',
    })
    for (let i = 0; i < 5; i++) {
      await using client = await openRaw(given.port)
      client.send(rawChat({}).slice(0, -10))
      await until(async () => (await given.metric('pratu_requests_in_flight')) === 1, 'a request')
      client.socket.resetAndDestroy()
      await given.quiet()
    }
    expect(given.simulator.requests).toHaveLength(0)
    expect((await given.lines(5)).map(({ outcome }) => outcome)).toEqual(
      Array.from({ length: 5 }, () => 'client_cancelled'),
    )
    const answer = await given.ask()
    expect(answer.status).toBe(200)
    expect(answer.headers.get('x-ratelimit-remaining-minute')).toBe('1')
  })
})

describe('F06 a client that goes in the middle of a stream', () => {
  test.each([8, 40, 80])(
    'after about %i of 100 tokens: the provider is let go, and what was relayed is counted',
    async (tokens) => {
      await using given = await givenTraffic()
      await using client = await openRaw(given.port)
      const messages = [{ role: 'user', content: 'tokens:100' }]
      const fault = `hang=after-tokens:${tokens}`
      client.send(rawChat({ stream: true, messages }, { 'x-simulator-fault': fault }))
      const request = await given.simulator.waitForRequest()
      const seen = (): number => client.text.split('"delta":{"content":"').length - 1
      await client.until(() => seen() >= tokens)
      const leftMs = performance.now()
      client.socket.resetAndDestroy()
      expect(await closedAfter(request, leftMs)).toBeLessThan(LIMIT_MS)
      const [line] = await given.lines(1)
      expect(line).toMatchObject({
        outcome: 'client_cancelled',
        response: { status: 200 },
        ai: { streamed: true, usage: { source: 'estimated' } },
      })
      const counted = line?.ai?.usage.completion_tokens ?? 0
      expect(Math.abs(counted - tokens)).toBeLessThanOrEqual(tokens * 0.05)
      expect(
        await given.metric('pratu_llm_tokens_total', { kind: 'output', usage_source: 'estimated' }),
      ).toBe(counted)
      await given.quiet()
    },
  )
})

describe('F07 a client that only stops sending', () => {
  test.each([
    ['a stream', true],
    ['a complete answer', false],
  ])('gets %s to its end', async (_what, stream) => {
    await using given = await givenTraffic()
    await using client = await openRaw(given.port)
    const body = stream ? { stream, stream_options: { include_usage: true } } : {}
    client.send(rawChat(body, { 'x-simulator-fault': 'delay=150ms' }))
    client.finish()
    let answer = await client.response()
    while (answer.status < 200) answer = await client.response()
    expect(answer.status).toBe(200)
    expect(answer.body.toString()).toContain(stream ? 'data: [DONE]' : '"finish_reason":"stop"')
    const [line] = await given.lines(1)
    expect(line).toMatchObject({ outcome: 'ok', ai: { usage: { source: 'provider' } } })
  })
})
