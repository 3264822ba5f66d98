import type { Ledger } from '@pratu/plugin-kit'
import {
  givenContext,
  givenExchange,
  parseConfig,
  runExchange,
  type ContextGiven,
  type ExchangeGiven,
  type ExchangeResult,
} from '@pratu/plugin-kit/testing'
import { describe, expect, test } from 'vitest'
import { rateLimiting } from './plugin.ts'
import { NOON, start, type Limited } from './testing/start.ts'

/** The rate-limit headers of a response, lower-case. */
function limitHeaders({ headers }: ExchangeResult): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers.toObject()).filter(
      ([name]) => name.includes('ratelimit') || name === 'retry-after',
    ),
  )
}

async function statuses(
  { request }: Limited,
  ...given: readonly ExchangeGiven[]
): Promise<number[]> {
  const found: number[] = []
  for (const exchange of given) found.push((await request(exchange)).status)
  return found
}

describe('kong.md §3.3 response headers', () => {
  test('a proxied request shows what is left after it, and until when', async () => {
    const limited = start({ second: 5, minute: 100, hour: 1000 }, { startMs: NOON + 20_500 })
    expect(limitHeaders(await limited.request())).toEqual({
      'x-ratelimit-limit-second': '5',
      'x-ratelimit-remaining-second': '4',
      'x-ratelimit-limit-minute': '100',
      'x-ratelimit-remaining-minute': '99',
      'x-ratelimit-limit-hour': '1000',
      'x-ratelimit-remaining-hour': '999',
      'ratelimit-limit': '5',
      'ratelimit-remaining': '4',
      'ratelimit-reset': '1',
    })
  })

  test('their names are spelt as Kong spells them', async () => {
    const { headers } = await start({ minute: 1 }).request()
    expect(headers.entries().map(([name]) => name)).toEqual([
      'X-RateLimit-Limit-Minute',
      'X-RateLimit-Remaining-Minute',
      'RateLimit-Limit',
      'RateLimit-Remaining',
      'RateLimit-Reset',
    ])
  })

  test('a refused request shows the same and when to come back; the other periods are not consumed', async () => {
    const limited = start({ minute: 1, hour: 10 }, { startMs: NOON + 20_500 })
    await limited.request()
    const refused = await limited.request()
    expect(refused.status).toBe(429)
    expect(limitHeaders(refused)).toEqual({
      'x-ratelimit-limit-minute': '1',
      'x-ratelimit-remaining-minute': '0',
      'x-ratelimit-limit-hour': '10',
      'x-ratelimit-remaining-hour': '9',
      'ratelimit-limit': '1',
      'ratelimit-remaining': '0',
      'ratelimit-reset': '40',
      'retry-after': '40',
    })
  })

  test('on AI traffic a refusal also says when to come back in the unit that client libraries obey first', async () => {
    const limited = start({ minute: 1 }, { startMs: NOON + 20_500 })
    const ask = { errorShape: 'kong+openai' } as const
    expect((await limited.request(ask)).headers.get('retry-after-ms')).toBeUndefined()
    const refused = await limited.request(ask)
    expect(refused.headers.get('retry-after')).toBe('40')
    expect(refused.headers.get('retry-after-ms')).toBe('39500')
    const plain = await limited.request({ errorShape: 'kong' })
    expect([plain.status, plain.headers.get('retry-after-ms')]).toEqual([429, undefined])
  })

  test('of periods with equally little left the longest is told', async () => {
    const headers = limitHeaders(await start({ second: 3, minute: 3, hour: 9 }).request())
    expect(headers).toMatchObject({
      'ratelimit-limit': '3',
      'ratelimit-remaining': '2',
      'ratelimit-reset': '60',
    })
  })

  test('hide_client_headers hides all of them, Retry-After included', async () => {
    const limited = start({ minute: 1, hide_client_headers: true })
    expect(limitHeaders(await limited.request())).toEqual({})
    const refused = await limited.request()
    expect(refused.status).toBe(429)
    expect(limitHeaders(refused)).toEqual({})
  })

  test.each([
    ['second', 1_000 - 1, '1'],
    ['minute', 0, '60'],
    ['minute', 59_999, '1'],
    ['hour', 1_000, '3599'],
    ['day', 12 * 3_600_000, '86400'],
    ['month', 0, String(30 * 86_400 - 11 * 86_400 - 12 * 3_600)],
    ['year', 0, String(365 * 86_400 - 131 * 86_400 - 12 * 3_600)],
  ])(
    'a %s that has run for %i ms more since noon of 12 May ends in %s s',
    async (period, afterNoonMs, reset) => {
      const limited = start({ [period]: 5 }, { startMs: NOON + afterNoonMs })
      expect(limitHeaders(await limited.request())['ratelimit-reset']).toBe(reset)
    },
  )

  test('a month counts 30 days: on the 31st the reset shows 1', async () => {
    const limited = start({ month: 5 }, { startMs: Date.UTC(2026, 4, 31, 6) })
    expect(limitHeaders(await limited.request())['ratelimit-reset']).toBe('1')
  })

  test('a limit with a fraction admits the next whole number and is shown as written', async () => {
    const limited = start({ minute: 1.5 })
    expect(limitHeaders(await limited.request())).toMatchObject({
      'x-ratelimit-limit-minute': '1.5',
      'x-ratelimit-remaining-minute': '0.5',
    })
    expect(await statuses(limited, {}, {})).toEqual([200, 429])
  })

  test('a request that was refused before it was counted shows none', async () => {
    const context = givenContext()
    const plugin = rateLimiting.create(parseConfig(rateLimiting, { minute: 1 }), context)
    const refuseFirst = {
      access: () => ({ kind: 'refusal', status: 403, code: 'no', message: 'no' }) as const,
    }
    const result = await runExchange([refuseFirst, plugin], givenExchange(), {
      ledger: context.ledger,
    })
    expect([result.status, limitHeaders(result)]).toEqual([403, {}])
  })
})

describe('kong.md §3.3 windows', () => {
  test('are fixed and end with the UTC calendar', async () => {
    const limited = start({ minute: 2 }, { startMs: NOON + 59_000 })
    expect(await statuses(limited, {}, {}, {})).toEqual([200, 200, 429])
    limited.context.clock.advance(1_000)
    expect(await statuses(limited, {}, {}, {})).toEqual([200, 200, 429])
  })

  test('every configured period has to admit; a refused request counts in none', async () => {
    const limited = start({ second: 1, minute: 3 })
    const admitted: number[] = []
    for (let i = 0; i < 10; i++) {
      admitted.push(...(await statuses(limited, {}, {})))
      limited.context.clock.advance(1_000)
    }
    expect(admitted.filter((status) => status === 200)).toHaveLength(3)
    expect(admitted.slice(0, 6)).toEqual([200, 429, 200, 429, 200, 429])
  })

  test('F68 a thousand requests at once: exactly the limit is admitted, the rest is told when to come back', async () => {
    const limited = start({ minute: 100 })
    const results = await Promise.all(Array.from({ length: 1_000 }, () => limited.request()))
    const refused = results.filter(({ status }) => status === 429)
    expect(refused).toHaveLength(900)
    expect(refused.every((result) => Number(result.headers.get('retry-after')) >= 1)).toBe(true)
    expect(await statuses(limited, { consumer: { id: 'victim' } })).toEqual([200])
  })

  test('F70 what an exchange gives back is admitted again', async () => {
    const context = givenContext()
    const plugin = rateLimiting.create(parseConfig(rateLimiting, { minute: 2, hour: 2 }), context)
    const request = () => runExchange(plugin, givenExchange(), { ledger: context.ledger })
    for (let i = 0; i < 6; i++) {
      const { status, reservation } = await request()
      expect(status).toBe(200)
      reservation?.close([0, 0])
    }
    expect([(await request()).status, (await request()).status, (await request()).status]).toEqual([
      200, 200, 429,
    ])
  })
})

test('kong.md §3.3 while Redis is away and requests pass uncounted, there are no headers and no metric', async () => {
  const limited = start({ minute: 5 }, { ledger: uncountingLedger() })
  const answer = await limited.request()
  expect(answer.status).toBe(200)
  expect(limitHeaders(answer)).toEqual({})
  expect(limited.context.counted).toEqual([])
})

/** As a ledger whose store is away and whose policy is to allow. */
function uncountingLedger(): Ledger {
  const unknown = { limit: 0, remaining: 0, used: 0, resetMs: 0, unknown: true }
  return {
    meter: (definition) => ({ definition }),
    reserve: (holds) => ({
      admitted: true,
      degraded: true,
      meters: holds.map(() => unknown),
      reservation: {
        closed: true,
        used: () => 'within',
        grow: () => true,
        close: () => undefined,
      },
    }),
    peek: () => unknown,
    reset: () => undefined,
    record: () => undefined,
  }
}

describe('kong.md §3.3 limit_by', () => {
  const alice = { consumer: { id: 'alice' }, credential: { id: 'alice-1' } }
  const aliceToo = { consumer: { id: 'alice' }, credential: { id: 'alice-2' } }
  const bob = { consumer: { id: 'bob' }, credential: { id: 'bob-1' } }

  test('consumer: all of a consumer’s credentials together', async () => {
    expect(await statuses(start({ minute: 1 }), alice, aliceToo, bob)).toEqual([200, 429, 200])
  })

  test('consumer: without one the credential, without that the address', async () => {
    const credentialOnly = { credential: { id: 'c' } }
    const elsewhere = { clientIp: '198.51.100.1' }
    expect(
      await statuses(start({ minute: 1 }), credentialOnly, credentialOnly, {}, {}, elsewhere),
    ).toEqual([200, 429, 200, 429, 200])
  })

  test('credential: each on its own, else the address', async () => {
    const limited = start({ minute: 1, limit_by: 'credential' })
    expect(await statuses(limited, alice, aliceToo, alice, { consumer: { id: 'x' } }, {})).toEqual([
      200, 200, 429, 200, 429,
    ])
  })

  test('S34 ip: the address behind trusted proxies, whatever the client claims', async () => {
    const limited = start({ minute: 1, limit_by: 'ip' })
    const claims = (ip: string) => ({
      peerIp: '10.0.0.1',
      clientIp: '203.0.113.7',
      headers: { 'X-Forwarded-For': ip, 'X-Real-IP': ip, Forwarded: `for=${ip}` },
    })
    expect(await statuses(limited, claims('198.51.100.1'), claims('198.51.100.2'))).toEqual([
      200, 429,
    ])
    expect(await statuses(limited, { ...claims('x'), clientIp: '203.0.113.8' })).toEqual([200])
  })

  test('service: all callers of a service together, else the address', async () => {
    const limited = start({ minute: 1, limit_by: 'service' })
    const other = { service: { name: 'other' } }
    expect(
      await statuses(limited, alice, bob, other, { service: null }, { service: null }),
    ).toEqual([200, 429, 200, 200, 429])
  })

  test('header: its first value, in any case of its name, else the address', async () => {
    const limited = start({ minute: 1, limit_by: 'header', header_name: 'X-Team' })
    const team = (...names: string[]) => ({ headers: { 'x-TEAM': names } })
    expect(await statuses(limited, team('a'), team('a', 'b'), team('b'), {}, {})).toEqual([
      200, 429, 200, 200, 429,
    ])
  })

  test('path: all callers of that path together, everyone else by address', async () => {
    const limited = start({ minute: 1, limit_by: 'path', path: '/hot' })
    const at = (target: string, clientIp: string) => ({ target, clientIp })
    expect(
      await statuses(
        limited,
        at('/hot?x=1', '1.1.1.1'),
        at('/hot', '2.2.2.2'),
        at('/hot/er', '2.2.2.2'),
        at('/', '2.2.2.2'),
      ),
    ).toEqual([200, 429, 200, 429])
  })
})

describe('kong.md §3.3 counters', () => {
  const on = (routeId: string | undefined, serviceId: string | undefined): ContextGiven => ({
    instance: { routeId, serviceId, consumerId: undefined },
  })

  test('belong to the scope of the plugin: a global one counts all services together', async () => {
    const limited = start({ minute: 2 }, on(undefined, undefined))
    const at = (name: string) => ({ service: { name }, route: { name } })
    expect(await statuses(limited, at('a'), at('b'), at('c'))).toEqual([200, 200, 429])
  })

  test('outlive a reload, and are apart for another route or service', async () => {
    const { context, request } = start({ minute: 2 }, on('r', 's'))
    await request()
    const { ledger, clock } = context
    const again = (given: ContextGiven): Limited => {
      const plugin = rateLimiting.create(
        parseConfig(rateLimiting, { minute: 2 }),
        givenContext({ clock, ledger, ...given }),
      )
      return {
        context,
        request: (exchange) => runExchange(plugin, givenExchange(exchange), { ledger }),
      }
    }
    expect(await statuses(again(on('r', 's')), {}, {})).toEqual([200, 429])
    expect(await statuses(again(on('r2', 's')), {})).toEqual([200])
    expect(await statuses(again(on('r', 's2')), {})).toEqual([200])
  })

  test('each counted request adds period ÷ limit to the article’s metric, a refused one nothing', async () => {
    const limited = start({ minute: 1, hour: 1200 })
    await limited.request({ service: { name: 'ai' }, route: { name: 'chat' } })
    await limited.request({ service: { name: 'ai' }, route: { name: 'chat' } })
    expect(limited.context.counted).toEqual([
      { metric: 'kong_rate_limiting_count_total', labels: ['ai', 'chat', 'minute'], amount: 60 },
      { metric: 'kong_rate_limiting_count_total', labels: ['ai', 'chat', 'hour'], amount: 3 },
    ])
  })
})
