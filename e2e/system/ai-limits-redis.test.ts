/** One budget for two gateways over a real Redis. */
import { startSimulator, type Simulator } from '@pratu/simulator'
import { describe, expect, test } from 'vitest'
import { chat } from '../gateway.ts'
import { eventsOf } from '../limits/ai-limited.ts'
import { describeExits } from '../limits/exits.ts'
import { startRedis, until, type RedisServer } from '../limits/redis-server.ts'
import { scrape, sumOf } from '../metrics-text.ts'
import { startPratu, type PratuProcess } from '../pratu-process.ts'

function configuration(simulator: Simulator, redis: RedisServer, limits: string): string {
  return `_format_version: "3.0"
services:
- name: chat
  url: ${simulator.url}/v1/chat/completions
  routes:
  - {name: chat, paths: [/v1/chat/completions], strip_path: false}
plugins:
- name: ai-limits
  config:
    policy: redis
    on_store_failure: deny
    redis: {host: 127.0.0.1, port: ${redis.port}, deadline: 5000}
    limits: [${limits}]
`
}

const ENVIRONMENT = { PRATU_DRAIN_MINIMUM: '0s', PRATU_DRAIN_TIMEOUT: '200ms' }

interface Pair extends AsyncDisposable {
  readonly simulator: Simulator
  readonly redis: RedisServer
  readonly gateways: readonly [PratuProcess, PratuProcess]
  metric(name: string, labels?: Readonly<Record<string, string>>): Promise<number>
}

/** Two gateways that count in the same Redis. */
async function givenPair(limits: string): Promise<Pair> {
  const redis = await startRedis()
  const simulator = await startSimulator()
  const text = configuration(simulator, redis, limits)
  const gateways = [
    await startPratu({ configuration: text, environment: ENVIRONMENT }),
    await startPratu({ configuration: text, environment: ENVIRONMENT }),
  ] as const
  for (const { adminUrl } of gateways) {
    await until('Redis is in use', async () => {
      const { samples } = await scrape(adminUrl)
      return samples.some(({ name, value }) => name === 'pratu_limits_degraded' && value === 0)
    })
  }
  return {
    simulator,
    redis,
    gateways,
    metric: async (name, labels = {}) => {
      const pages = await Promise.all(gateways.map(({ adminUrl }) => scrape(adminUrl)))
      return pages.reduce((sum, { samples }) => sum + sumOf(samples, name, labels), 0)
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(gateways.map((gateway) => gateway.stop()))
      await simulator.close()
      await redis[Symbol.asyncDispose]()
    },
  }
}

const ask = (
  { proxyUrl }: PratuProcess,
  body: Readonly<Record<string, unknown>>,
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> => fetch(`${proxyUrl}/v1/chat/completions`, chat(body, headers))

describe('F72 T9 a budget of two gateways', () => {
  test('$1 and 200 requests at once at each: overshoot $0.00, refusals say why, nothing refused is called', async () => {
    await using pair = await givenPair(
      '{name: budget, quantity: cost, limit: "1.00", window: month, by: everything}',
    )
    const answers = await Promise.all(
      Array.from({ length: 400 }, (_, i) =>
        // GPT-4.1 costs $8 per million tokens written: 6,000 of them are 4.8 cents.
        ask(
          pair.gateways[i % 2 === 0 ? 0 : 1],
          { max_tokens: 6000 },
          { 'x-simulator-fault': 'delay=1s' },
        ),
      ),
    )
    const admitted = answers.filter(({ status }) => status === 200)
    expect(admitted.length).toBeLessThanOrEqual(20)
    expect(admitted.length).toBeGreaterThanOrEqual(15)
    expect(pair.simulator.requests.length).toBe(admitted.length)
    for (const refused of answers.filter(({ status }) => status !== 200)) {
      expect([refused.status, refused.headers.get('x-should-retry')]).toEqual([429, 'false'])
      expect(await refused.json()).toMatchObject({ error: { code: 'budget_exceeded' } })
    }
    expect(await pair.metric('pratu_limits_overshoot_total')).toBe(0)
    expect(await pair.metric('pratu_limits_used_total')).toBeLessThanOrEqual(1)
    // What the calls did not use is there for the next one, at either gateway.
    for (const gateway of pair.gateways) {
      expect((await ask(gateway, { max_tokens: 6000 })).status).toBe(200)
    }
  })

  test('calls without a bound share a budget to its end, and are cut there', async () => {
    await using pair = await givenPair(
      '{name: tokens, quantity: output_tokens, limit: 400, window: hour, by: everything, reserve_output: 20}',
    )
    const streams = await Promise.all(
      Array.from({ length: 8 }, async (_, i) => {
        const answer = await ask(
          pair.gateways[i % 2 === 0 ? 0 : 1],
          { messages: [{ role: 'user', content: 'tokens:2000' }], stream: true },
          { 'x-simulator-fault': 'tokens-per-second=200' },
        )
        return { status: answer.status, events: eventsOf(await answer.text()) }
      }),
    )
    for (const { status, events } of streams) {
      expect(status).toBe(200)
      expect(events.slice(-2)).toMatchObject([{ choices: [{ finish_reason: 'length' }] }, '[DONE]'])
    }
    const used = await pair.metric('pratu_limits_used_total')
    expect(used).toBeGreaterThan(300)
    // A stream does not wait for Redis: it may be a few tokens ahead of the answer.
    expect(used).toBeLessThanOrEqual(400 + 8 * 8)
    expect(await pair.metric('pratu_limits_cut_total')).toBe(8)
  })
})

describe('F70 slots of two gateways', () => {
  const SLOT = '{name: slots, quantity: concurrent_requests, limit: 1, by: everything}'

  test.each<[string, NodeJS.Signals, number]>([
    ['drained gives back what its calls held', 'SIGTERM', 5_000],
    // A lease of 30 s runs out, and the clocks of two processes are not the same.
    ['killed loses what its calls held, 30 s later at the latest', 'SIGKILL', 32_000],
  ])('a gateway that is %s', { timeout: 60_000 }, async (_what, signal, withinMs) => {
    await using pair = await givenPair(SLOT)
    const [first, second] = pair.gateways
    const held = await ask(first, { stream: true }, { 'x-simulator-fault': 'hang=after-tokens:1' })
    expect(held.status).toBe(200)
    const read = held.text().catch(() => 'cut')
    expect((await ask(second, {})).status).toBe(429)
    first.signal(signal)
    await until('the slot is free', async () => (await ask(second, {})).status === 200, withinMs)
    await read
  })
})

describeExits('in Redis', async () => {
  const redis = await startRedis()
  return {
    config: ['policy: redis', `redis: {host: 127.0.0.1, port: ${redis.port}, deadline: 5000}`],
    close: () => redis[Symbol.asyncDispose](),
  }
})
