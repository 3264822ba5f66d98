import { describe, expect, test } from 'vitest'
import { givenTraffic, readAll } from './support.ts'

const USAGE_FAULTS = ['missing', 'null', 'negative', 'string', 'huge', 'after-done'] as const
const IMPOSSIBLE: readonly string[] = ['negative', 'string', 'huge']
const PROMPT = { messages: [{ role: 'user', content: 'tokens:30' }] }

describe('F32 what a provider says of its usage', () => {
  test.each(USAGE_FAULTS.flatMap((fault) => [[fault, false] as const, [fault, true] as const]))(
    '%s, streamed: %s — nobody is billed by it',
    async (fault, stream) => {
      await using given = await givenTraffic()
      const body = stream ? { ...PROMPT, stream, stream_options: { include_usage: true } } : PROMPT
      const { text, error } = await readAll(await given.ask(body, `usage=${fault}`))
      expect([error, text.includes('choices')]).toEqual([undefined, true])
      const [line] = await given.lines(1)
      const { usage } = line?.ai ?? {}
      // Behind [DONE] it is late, but it is what the provider will bill.
      const said = fault === 'after-done'
      expect(usage?.source).toBe(said ? 'provider' : 'estimated')
      expect(usage?.prompt_tokens).toBeGreaterThan(0)
      const completion = usage?.completion_tokens ?? 0
      // A whole answer is estimated from its length, a stream from its events.
      if (stream || said) expect(completion).toBe(30)
      else expect(Math.abs(completion - 30)).toBeLessThan(30)
      for (const kind of ['input', 'output', 'reasoning', 'cache_read', 'cache_write']) {
        const tokens = await given.metric('pratu_llm_tokens_total', { kind })
        expect(tokens).toBeGreaterThanOrEqual(0)
        expect(tokens).toBeLessThan(1_000)
      }
      const anomalies = await given.metric('pratu_llm_usage_anomalies_total')
      expect(anomalies).toBe(said ? 0 : 1)
      expect(
        await given.metric('pratu_llm_usage_anomalies_total', { reason: 'impossible_count' }),
      ).toBe(IMPOSSIBLE.includes(fault) ? 1 : 0)
      expect(await given.metric('pratu_llm_requests_total')).toBe(1)
    },
  )
})

describe('F31 what is no answer of a model', () => {
  test.each(['html', 'body=', 'body=null', 'body=[]', 'invalid-json'])(
    '%s passes on a plain service, and its usage is an estimate',
    async (fault) => {
      await using given = await givenTraffic()
      const answer = await given.ask(PROMPT, fault)
      await answer.text()
      expect(answer.status).toBe(200)
      expect((await given.lines(1))[0]?.ai?.usage.source).toMatch(/estimated|provider/)
      await given.quiet()
    },
  )
})
