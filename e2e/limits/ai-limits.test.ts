/** What clients of a limited model get, and that nothing refused is ever called. */
import { describe, expect, test } from 'vitest'
import { chat } from '../gateway.ts'
import { givenAiLimited, startStreaming } from './ai-limited.ts'

const LONG_AGO = '2020-01-01T00:00:00Z'

describe('issue 3 part 6: what clients get', () => {
  test('OpenAI: headers on each answer, and a refusal that says when to come back', async () => {
    await using it = await givenAiLimited({
      limits:
        '{quantity: requests, limit: 10, window: hour, by: ip}, {quantity: total_tokens, limit: 100, window: hour, by: ip}',
    })
    const first = await it.ask({ max_tokens: 30 })
    expect(first.status).toBe(200)
    expect(Object.fromEntries(first.headers)).toMatchObject({
      'x-ratelimit-limit-requests': '10',
      'x-ratelimit-remaining-requests': '9',
      'x-ratelimit-reset-requests': expect.stringMatching(/^(\d+m)?[\d.]+s$|^\d+ms$/),
      'x-ratelimit-limit-tokens': '100',
    })
    // The prompt and 30 are reserved while it runs, less is counted when it is over.
    expect(Number(first.headers.get('x-ratelimit-remaining-tokens'))).toBeLessThan(70)

    const refused = await it.ask({ max_tokens: 90 })
    expect(refused.status).toBe(429)
    expect(await refused.json()).toMatchObject({
      error: { type: 'rate_limit_error', code: 'token_limit_exceeded' },
    })
    expect(refused.headers.get('x-should-retry')).toBe('false')
    expect(it.simulator.requests.length).toBe(1)
    // Nothing was counted for it, at admission neither.
    const again = await it.ask({ max_tokens: 1 })
    expect(again.headers.get('x-ratelimit-remaining-requests')).toBe('8')
  })

  test('Anthropic: its own headers and error', async () => {
    await using provider = await startStreaming('claude', '/v1/messages', [], () => '')
    await using it = await givenAiLimited({
      limits: '{quantity: output_tokens, limit: 50, window: hour, by: ip}',
      providers: [provider],
    })
    const ask = (max_tokens: number): Promise<Response> =>
      fetch(`${it.url}/v1/messages`, {
        ...chat(),
        body: JSON.stringify({ model: 'm', max_tokens }),
      })
    const refused = await ask(51)
    expect(refused.status).toBe(429)
    expect(await refused.json()).toMatchObject({
      type: 'error',
      error: { type: 'rate_limit_error' },
    })
    expect(Object.fromEntries(refused.headers)).toMatchObject({
      'anthropic-ratelimit-output-tokens-limit': '50',
      'anthropic-ratelimit-output-tokens-remaining': '50',
      'anthropic-ratelimit-output-tokens-reset': expect.stringMatching(/^20\d\d-.*Z$/),
    })
    const reset = refused.headers.get('anthropic-ratelimit-output-tokens-reset') ?? LONG_AGO
    expect(new Date(reset).getTime()).toBeGreaterThan(Date.now())
  })

  test('requests: the wait is the rest of the window, in seconds and milliseconds', async () => {
    await using it = await givenAiLimited({
      limits: '{quantity: requests, limit: 1, window: hour, by: ip}',
    })
    await it.ask()
    const refused = await it.ask()
    expect(refused.status).toBe(429)
    expect(await refused.json()).toMatchObject({ error: { code: 'rate_limit_exceeded' } })
    const seconds = Number(refused.headers.get('retry-after'))
    const ms = Number(refused.headers.get('retry-after-ms'))
    expect(seconds).toBe(Math.ceil(ms / 1000))
    expect(ms).toBeLessThanOrEqual(3_600_000)
    expect(it.simulator.requests.length).toBe(1)
  })
})

describe('F72 budgets', () => {
  test('T9 $1 and 200 requests at once of 5 cents each: no cent too many, no call for the others', async () => {
    await using it = await givenAiLimited({
      // GPT-4.1 costs $8 per million tokens written: 6,000 of them are reserved as 4.8 cents, and the prompt.
      limits: '{name: budget, quantity: cost, limit: "1.00", window: month, by: everything}',
      service: ['ai_format: openai-chat'],
      timeoutMs: 20_000,
    })
    const answers = await Promise.all(
      Array.from({ length: 200 }, () =>
        // None is settled, and so makes room for others, before the last one was refused.
        it.ask({ max_tokens: 6000 }, { 'x-simulator-fault': 'delay=2s' }),
      ),
    )
    const admitted = answers.filter(({ status }) => status === 200)
    expect(admitted.length).toBeLessThanOrEqual(20)
    expect(admitted.length).toBeGreaterThanOrEqual(15)
    expect(it.simulator.requests.length).toBe(admitted.length)
    for (const refused of answers.filter(({ status }) => status !== 200)) {
      expect(refused.status).toBe(429)
      expect(refused.headers.get('x-should-retry')).toBe('false')
      expect(await refused.json()).toMatchObject({ error: { code: 'budget_exceeded' } })
    }
    expect(await it.metric('pratu_limits_overshoot_total')).toBe(0)
    expect(await it.metric('pratu_limits_used_total')).toBeLessThan(1)
    expect(await it.metric('pratu_limits_refused_total', { mode: 'enforce' })).toBe(
      200 - admitted.length,
    )
  })
})

describe('F71 what a model call is', () => {
  test('a bound that a client hides in its tools is no bound', async () => {
    await using it = await givenAiLimited({
      limits: '{quantity: output_tokens, limit: 500, window: hour, by: ip, reserve_output: 400}',
    })
    const tools = [{ type: 'function', function: { name: 'f', parameters: { max_tokens: 1 } } }]
    const answer = await it.ask({ tools })
    expect(answer.headers.get('x-ratelimit-remaining-tokens')).toBe('100')
  })

  test('a body above the buffer is read whole, and goes upstream whole', async () => {
    await using it = await givenAiLimited({
      limits: '{quantity: total_tokens, limit: 10000000, window: hour, by: ip}',
      environment: { PRATU_REQUEST_BUFFER_SIZE: '1024' },
    })
    const content = 'word '.repeat(20_000)
    const answer = await it.ask({ messages: [{ role: 'user', content }], max_tokens: 5 })
    expect(answer.status).toBe(200)
    expect(it.simulator.requests[0]?.body.toString()).toContain(content)
    expect(Number(answer.headers.get('x-ratelimit-remaining-tokens'))).toBeLessThan(9_970_000)
  })
})

describe('F71, F73 behind a cache', () => {
  const CACHE = '- {name: proxy-cache, config: {strategy: memory, request_method: [POST]}}'
  const SAME = { temperature: 0, max_tokens: 20 }

  test('many who ask the same at once make one call, which is counted once', async () => {
    await using it = await givenAiLimited({
      limits: '{quantity: output_tokens, limit: 1000, window: hour, by: everything}',
      plugins: [CACHE],
    })
    const ask = (): Promise<Response> => it.ask(SAME, { 'x-simulator-fault': 'delay=200ms' })
    const answers = await Promise.all(Array.from({ length: 5 }, ask))
    const bodies = new Set(await Promise.all(answers.map((answer) => answer.text())))
    expect([answers.map(({ status }) => status), bodies.size]).toEqual([Array(5).fill(200), 1])
    expect((await ask()).headers.get('x-cache-status')).toBe('Hit')
    expect(it.simulator.requests.length).toBe(1)
    expect(await it.metric('pratu_limits_used_total')).toBeLessThanOrEqual(20)
    expect(await it.metric('pratu_limits_reserved')).toBe(0)
  })

  test('where the one call is refused nobody waits for it, and nothing of it is kept', async () => {
    await using it = await givenAiLimited({
      limits: '{quantity: output_tokens, limit: 10, window: hour, by: everything}',
      plugins: [CACHE],
    })
    const answers = await Promise.all(Array.from({ length: 5 }, () => it.ask(SAME)))
    for (const answer of answers) {
      expect(answer.status).toBe(429)
      expect(answer.headers.get('x-cache-status')).not.toBe('Hit')
    }
    expect(it.simulator.requests.length).toBe(0)
  })
})
