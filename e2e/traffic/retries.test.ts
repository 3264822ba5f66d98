import { describe, expect, test } from 'vitest'
import { givenTraffic } from './support.ts'

describe('F38 a request that may have had an effect is not repeated', () => {
  test.each([
    ['the provider read it and reset', 'reset=before-headers'],
    ['the provider read it and closed', 'close=before-headers'],
    ['the provider reset after its first byte', 'reset=after-headers'],
    ['the provider never answered', 'hang'],
  ])('%s: one attempt, one log line', async (_what, fault) => {
    await using given = await givenTraffic()
    const answer = await given.ask({}, fault)
    expect([502, 504]).toContain(answer.status)
    await answer.text()
    expect(given.simulator.requests).toHaveLength(1)
    const lines = await given.lines(1)
    expect(lines).toHaveLength(1)
    expect(lines[0]?.tries).toHaveLength(1)
    expect(await given.metric('pratu_llm_requests_total')).toBe(1)
  })

  test('a status is never a reason to try again', async () => {
    await using given = await givenTraffic()
    for (const status of [408, 429, 500, 503, 529]) {
      const answer = await given.ask({}, `status=${status}`)
      expect(answer.status).toBe(status)
      await answer.text()
    }
    expect(given.simulator.requests).toHaveLength(5)
  })
})

describe('F39 a pooled connection that died in the meantime', () => {
  test.each(['reset', 'fin'])(
    'by %s as its next request arrives: nobody notices, POST included',
    async (how) => {
      await using given = await givenTraffic()
      const statuses = new Map<number, number>()
      for (let i = 0; i < 500; i++) {
        const answer = await given.ask({}, `close-on-reuse=${how}`)
        await answer.text()
        statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1)
      }
      expect([...statuses]).toEqual([[200, 500]])
      // Every answer came from a connection of its own, and every stale one was met.
      const answered = given.simulator.requests.filter(({ status }) => status === 200)
      expect(answered).toHaveLength(500)
      expect(given.simulator.requests.length).toBeGreaterThan(900)
    },
  )

  test('idle for longer than the provider keeps it: nobody notices', async () => {
    await using given = await givenTraffic()
    for (let i = 0; i < 20; i++) {
      const answer = await given.ask({}, 'idle-close=2ms')
      expect(answer.status).toBe(200)
      await answer.text()
      const [last] = given.simulator.requests.slice(-1)
      if (i % 2 === 0) await last?.closed
    }
  })
})
