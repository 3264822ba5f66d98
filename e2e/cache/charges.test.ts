import { describe, expect, test } from 'vitest'
import { chat } from '../gateway.ts'
import { givenCached, metric, statusOf } from './given-cached.ts'

const PATH = '/v1/chat/completions'
const say = (content: string) => chat({ messages: [{ role: 'user', content }] })

const FEW_TOKENS = `
- name: ai-limits
  config:
    limits:
    - {name: calls, quantity: requests, limit: 1000, window: hour, by: everything}
    - {name: tokens, quantity: output_tokens, limit: 60, window: hour, by: everything}
`

describe('what answers from the cache are charged', () => {
  test('they take no tokens: who has none left still gets what is kept', async () => {
    await using given = await givenCached({ more: FEW_TOKENS })
    const ask = async (content: string) => {
      const body = { messages: [{ role: 'user', content }], max_tokens: 40 }
      const answer = await fetch(`${given.url}${PATH}`, chat(body))
      await answer.arrayBuffer()
      return answer
    }
    expect((await ask('tokens:30')).status).toBe(200)
    expect((await ask('another')).status).toBe(429)
    for (let i = 0; i < 3; i++) {
      const kept = await ask('tokens:30')
      expect([kept.status, statusOf(kept)]).toEqual([200, 'Hit'])
    }
    expect((await ask('another')).status).toBe(429)
    expect(given.simulator.requests).toHaveLength(1)
  })

  test('when_client_leaves: finish keeps the answer that nobody waited for, and it is charged', async () => {
    await using given = await givenCached({
      ai: 'when_client_leaves: finish',
      simulator: { latency: '300ms' },
    })
    const gone = new AbortController()
    const left = fetch(`${given.url}${PATH}`, { ...say('hi'), signal: gone.signal })
    await given.simulator.waitForRequest()
    gone.abort()
    await expect(left).rejects.toThrow('abort')
    const metered = () => metric(given, 'pratu_llm_requests_total{')
    await expect.poll(metered, { timeout: 10_000 }).toBe(1)
    expect(statusOf(await fetch(`${given.url}${PATH}`, say('hi')))).toBe('Hit')
    expect(given.simulator.requests).toHaveLength(1)
  })

  test('a drain waits for a call that others read, and leaves nothing behind', async () => {
    await using given = await givenCached({ simulator: { latency: '300ms' } })
    const gone = new AbortController()
    const left = fetch(`${given.url}${PATH}`, { ...say('hi'), signal: gone.signal })
    await given.simulator.waitForRequest()
    const other = fetch(`${given.url}${PATH}`, say('hi'))
    const inFlight = () => metric(given, 'pratu_requests_in_flight')
    await expect.poll(inFlight, { timeout: 10_000 }).toBe(2)
    gone.abort()
    await expect(left).rejects.toThrow('abort')
    const drained = given.gateway.drain({ minimumMs: 0, timeoutMs: 10_000 })
    expect((await other).status).toBe(200)
    await drained
    expect(given.simulator.openStreams).toBe(0)
  })
})
