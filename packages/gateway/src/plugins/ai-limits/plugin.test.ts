import type { Hold } from '@pratu/plugin-kit'
import { describePlugin, TestClock, type ExchangeResult } from '@pratu/plugin-kit/testing'
import { describe, expect, test } from 'vitest'
import { aiLimits } from './plugin.ts'
import { NOON, start, used, type CallGiven, type Limited } from './testing/start.ts'

describePlugin(aiLimits, {
  validConfig: { limits: [{ quantity: 'requests', limit: 100, window: 'minute', by: 'ip' }] },
  defaults: { hideClientHeaders: false, policy: 'local', onStoreFailure: 'local' },
  refusals: [
    {
      name: 'a request above the limit',
      config: { limits: [{ quantity: 'requests', limit: 2, window: 'minute', by: 'ip' }] },
      exchange: {},
      after: 2,
      status: 429,
      code: 'rate_limit_exceeded',
    },
  ],
})

async function statuses(
  { request }: Limited,
  ...given: readonly CallGiven[]
): Promise<readonly number[]> {
  const found: number[] = []
  for (const one of given) found.push((await request(one)).status)
  return found
}

function limitFields({ headers }: ExchangeResult): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers.toObject()).filter(([name]) => name.includes('ratelimit')),
  )
}

const code = ({ reply }: ExchangeResult): string | undefined =>
  reply?.kind === 'refusal' ? reply.code : undefined

describe('F71 what a call may use is reserved, and what it used is counted', () => {
  test('tokens: the prompt and the bound of the answer, then the truth', async () => {
    const { request, context } = start({ quantity: 'total_tokens', limit: 400, window: 'minute' })
    const first = await request()
    expect(first.headers.get('x-ratelimit-remaining-tokens')).toBe('250')
    const second = await request()
    // 110 were used by the first, and 150 are reserved.
    expect(second.headers.get('x-ratelimit-remaining-tokens')).toBe('140')
    expect(context.counted.filter(({ metric }) => metric === 'pratu_limits_used_total')).toEqual(
      Array.from({ length: 2 }, () => ({
        metric: 'pratu_limits_used_total',
        labels: ['total_tokens-per-minute', 'total_tokens', ''],
        amount: 110,
      })),
    )
    expect(
      context.gauge('pratu_limits_reserved', ['total_tokens-per-minute', 'total_tokens']),
    ).toBe(0)
  })

  test.each([
    ['input_tokens', 100, 80],
    ['output_tokens', 50, 30],
    ['total_tokens', 150, 110],
    ['cost', 200_000, 140_000],
  ])('%s', async (quantity, reserved, counted) => {
    const limit = quantity === 'cost' ? '0.001' : 1000
    const { request, context } = start({ name: 'l', quantity, limit, window: 'day' })
    const asked: Hold[] = []
    const { ledger } = context
    const reserve = ledger.reserve.bind(ledger)
    ledger.reserve = (holds) => {
      asked.push(...holds)
      return reserve(holds)
    }
    await request()
    const [hold] = asked
    expect(hold?.amount).toBe(reserved)
    expect(hold && ledger.peek(hold.meter, hold.scope)).toMatchObject({ used: counted })
  })

  test('a request without a bound reserves what the file says, then what the model usually writes', async () => {
    const { request } = start({
      quantity: 'output_tokens',
      limit: 1000,
      window: 'minute',
      reserve_output: 300,
    })
    const open = { call: { maxOutputTokens: undefined }, use: used(80, 100) }
    expect((await request(open)).headers.get('x-ratelimit-remaining-tokens')).toBe('700')
    // 100 counted, and half as much again as the last answer reserved.
    expect((await request(open)).headers.get('x-ratelimit-remaining-tokens')).toBe('750')
  })

  test('what is more than the limit itself is refused for good', async () => {
    const { request } = start({ quantity: 'output_tokens', limit: 40, window: 'minute' })
    const result = await request()
    expect([result.status, code(result), result.proxied]).toEqual([
      429,
      'token_limit_exceeded',
      false,
    ])
    expect(result.headers.get('x-should-retry')).toBe('false')
    expect(result.headers.has('retry-after')).toBe(false)
  })

  test('a call that used nothing costs no tokens', async () => {
    const limited = start({ quantity: 'total_tokens', limit: 150, window: 'minute' })
    const failed = { use: { inputTokens: 0, outputTokens: 0, nanoDollars: 0 } }
    expect(await statuses(limited, failed, failed, failed)).toEqual([200, 200, 200])
  })

  test('plain traffic has no tokens', async () => {
    const limited = start({ quantity: 'total_tokens', limit: 1, window: 'minute' })
    expect(await statuses(limited, { call: null }, { call: null })).toEqual([200, 200])
  })
})

describe('F72 budgets', () => {
  test('a spent budget is refused with its code, truthfully, and not to be tried again', async () => {
    const { request } = start({ name: 'daily', quantity: 'cost', limit: '0.0003', window: 'day' })
    expect((await request()).status).toBe(200)
    const refused = await request()
    expect([refused.status, code(refused), refused.proxied]).toEqual([
      429,
      'budget_exceeded',
      false,
    ])
    expect(refused.headers.toObject()).toMatchObject({
      'retry-after': String(12 * 3600),
      'retry-after-ms': String(12 * 3_600_000),
      'x-should-retry': 'false',
    })
    expect(refused.exchange.annotations.get('limit')).toBe('daily')
    expect(refused.reply).toMatchObject({ message: "The budget is spent: limit 'daily'" })
  })

  test('overshoot is what was used beyond the limit', async () => {
    const { request, context } = start({
      name: 'b',
      quantity: 'cost',
      limit: '0.0003',
      window: 'day',
    })
    await request({ use: used(80, 200) })
    // $0.00048 were used of $0.0003.
    expect(context.counted.find(({ metric }) => metric === 'pratu_limits_overshoot_total')).toEqual(
      {
        metric: 'pratu_limits_overshoot_total',
        labels: ['b', 'cost'],
        amount: 180_000 / 1e9,
      },
    )
  })

  test.each([
    ['allow', 200, undefined],
    ['refuse', 403, 'model_unpriced'],
  ])('a model without a price: %s', async (unpriced, status, expected) => {
    const { request, context } = start({ quantity: 'cost', limit: 1, window: 'day', unpriced })
    const result = await request({
      call: { cost: () => undefined },
      use: { inputTokens: 1, outputTokens: 1, nanoDollars: undefined },
    })
    expect([result.status, code(result)]).toEqual([status, expected])
    expect(context.counted.some(({ metric }) => metric === 'pratu_limits_overshoot_total')).toBe(
      false,
    )
  })
})

describe('F70 concurrency', () => {
  test('a slot is free again when its call is over, on plain traffic too', async () => {
    const limited = start({ quantity: 'concurrent_requests', limit: 1 })
    const plain = Array.from({ length: 3 }, () => ({ call: null }))
    expect(await statuses(limited, {}, {}, {}, ...plain)).toEqual([200, 200, 200, 200, 200, 200])
    expect(
      limited.context.gauge('pratu_limits_reserved', [
        'concurrent_requests',
        'concurrent_requests',
      ]),
    ).toBe(0)
  })

  test('above the limit: 429 with a wait of a second', async () => {
    const { request, context } = start({
      quantity: 'concurrent_requests',
      limit: 1,
      by: 'everything',
    })
    const meter = context.ledger.meter({
      id: `ai-limits:${context.instance.id}:concurrent_requests:concurrent_requests:concurrency`,
      quantity: 'concurrent_requests',
      window: { kind: 'concurrency', leaseMs: 30_000 },
      limit: 1,
    })
    await context.ledger.reserve([{ meter, scope: 'everything', amount: 1 }])
    const refused = await request()
    expect([refused.status, code(refused)]).toEqual([429, 'concurrency_limit_exceeded'])
    expect(refused.headers.toObject()).toMatchObject({
      'retry-after': '1',
      'retry-after-ms': '1000',
    })
    expect(refused.headers.has('x-should-retry')).toBe(false)
  })
})

describe('whom a limit counts for', () => {
  const alice = { consumer: { username: 'alice', tags: ['team:red', 'x'], groups: ['gold'] } }
  const bob = { consumer: { username: 'bob', tags: ['team:red'], groups: [] } }
  const carl = { consumer: { username: 'carl', tags: ['team:blue'], groups: ['gold'] } }
  const nobody = { consumer: null }

  test.each<[string, object, readonly CallGiven[], readonly number[]]>([
    [
      'consumer',
      { by: 'consumer' },
      [alice, bob, alice, nobody, nobody],
      [200, 200, 429, 200, 429],
    ],
    ['everything', { by: 'everything' }, [alice, bob], [200, 429]],
    [
      'tag',
      { by: 'tag', tag_prefix: 'team:' },
      [alice, carl, bob, nobody, nobody],
      [200, 200, 429, 200, 200],
    ],
    [
      'header',
      { by: 'header', header_name: 'X-Team' },
      [
        { headers: { 'x-team': 'a' } },
        { headers: { 'x-team': 'b' } },
        { headers: { 'X-TEAM': 'a' } },
      ],
      [200, 200, 429],
    ],
    [
      'model',
      { by: 'model' },
      [
        { call: { model: 'a' } },
        { call: { model: 'b' } },
        { call: { model: 'a' } },
        { call: null },
      ],
      [200, 200, 429, 200],
    ],
    [
      'a combination',
      { by: ['consumer', 'model'] },
      [
        { ...alice, call: { model: 'a' } },
        { ...alice, call: { model: 'b' } },
        { ...bob, call: { model: 'a' } },
        { ...alice, call: { model: 'a' } },
      ],
      [200, 200, 200, 429],
    ],
    [
      'path',
      { by: 'path' },
      [{ target: '/a' }, { target: '/b' }, { target: '/a' }],
      [200, 200, 429],
    ],
    [
      'route',
      { by: 'route' },
      [{ route: { name: 'r' } }, { route: { name: 's' } }, { route: { name: 'r' } }],
      [200, 200, 429],
    ],
    [
      'service',
      { by: 'service' },
      [{ service: { name: 'r' } }, { service: { name: 's' } }, { service: { name: 'r' } }],
      [200, 200, 429],
    ],
    [
      'credential',
      { by: 'credential' },
      [{ credential: { id: 'k' } }, { credential: { id: 'l' } }, { credential: { id: 'k' } }],
      [200, 200, 429],
    ],
    [
      'only some models',
      { by: 'everything', models: ['gpt-4.1', 'claude-*'] },
      [
        { call: { model: 'gpt-4.1-mini' } },
        { call: { model: 'claude-x' } },
        { call: { model: 'gpt-4.1' } },
      ],
      [200, 200, 429],
    ],
    [
      'only some consumers',
      { consumers: ['alice'] },
      [bob, bob, alice, alice],
      [200, 200, 200, 429],
    ],
    [
      'only some groups',
      { groups: ['gold'] },
      [bob, bob, carl, carl, nobody],
      [200, 200, 200, 429, 200],
    ],
    ['only some tags', { tags: ['x'] }, [bob, bob, alice, alice], [200, 200, 200, 429]],
  ])('%s', async (_what, members, given, expected) => {
    const limited = start({ quantity: 'requests', limit: 1, window: 'minute', ...members })
    expect(await statuses(limited, ...given)).toEqual(expected)
  })

  test('what clients choose cannot pass for another scope, and what is secret is not stored', async () => {
    const limited = start({
      quantity: 'requests',
      limit: 1,
      window: 'minute',
      by: ['header', 'path'],
      header_name: 'Authorization',
    })
    const scopes: string[] = []
    const { ledger } = limited.context
    const reserve = ledger.reserve.bind(ledger)
    ledger.reserve = (holds) => {
      scopes.push(...holds.map(({ scope }) => scope))
      return reserve(holds)
    }
    await limited.request({ headers: { authorization: 'Bearer secret' }, target: '/a|path:%2Fb' })
    expect(scopes[0]).toMatch(/^header:[\w-]{22}\|path:%2Fa%7Cpath%3A%252Fb$/)
  })
})

describe('report', () => {
  test('only counts, and tells what it would have refused', async () => {
    const limited = start({
      name: 'r',
      quantity: 'requests',
      limit: 1,
      window: 'minute',
      mode: 'report',
    })
    expect(await statuses(limited, {}, {}, {})).toEqual([200, 200, 200])
    const refused = limited.context.counted.filter(
      ({ metric }) => metric === 'pratu_limits_refused_total',
    )
    expect(refused).toEqual(
      Array.from({ length: 2 }, () => ({
        metric: 'pratu_limits_refused_total',
        labels: ['r', 'requests', 'report'],
        amount: 1,
      })),
    )
  })
})

describe('soft thresholds', () => {
  test('warn in the answer each time, and in the log once per window', async () => {
    const clock = new TestClock(NOON)
    const { request, context } = start(
      { name: 'w', quantity: 'requests', limit: 4, window: 'minute', warn_at: [0.75, 0.5] },
      { clock },
    )
    const warnings: (string | undefined)[] = []
    for (let i = 0; i < 4; i++) {
      warnings.push((await request()).headers.get('x-pratu-limit-warning'))
    }
    expect(warnings).toEqual([undefined, 'w=0.50', 'w=0.75', 'w=1.00'])
    expect(context.logged).toMatchObject([
      {
        message: 'a limit is nearly used up',
        detail: { limit: 'w', share: 0.5, consumer: 'alice' },
      },
      { detail: { share: 0.75, used: 3, of: 4 } },
    ])
    clock.advance(60_000)
    await request()
    await request()
    expect(context.logged.length).toBe(3)
    expect(
      context.counted.filter(({ metric }) => metric === 'pratu_limits_warned_total').length,
    ).toBe(3)
  })
})

describe('llm-apis.md §1.1, §3 what is left, in the form of the client’s provider', () => {
  const limits = [
    { quantity: 'requests', limit: 10, window: 'minute' },
    { quantity: 'total_tokens', limit: 4000, window: 'hour' },
    { quantity: 'input_tokens', limit: 2000, window: 'minute' },
    { quantity: 'output_tokens', limit: 3000, window: 'minute' },
  ]

  test('OpenAI: the tightest limit, with a duration', async () => {
    const { request } = start(limits, { clock: new TestClock(NOON + 1500) })
    expect(limitFields(await request({ errorShape: 'kong+openai' }))).toEqual({
      'x-ratelimit-limit-requests': '10',
      'x-ratelimit-remaining-requests': '9',
      'x-ratelimit-reset-requests': '58.5s',
      'x-ratelimit-limit-tokens': '2000',
      'x-ratelimit-remaining-tokens': '1900',
      'x-ratelimit-reset-tokens': '58.5s',
    })
  })

  test('Anthropic: each quantity, with a time', async () => {
    const { request } = start(limits)
    expect(limitFields(await request({ errorShape: 'anthropic' }))).toEqual({
      'anthropic-ratelimit-requests-limit': '10',
      'anthropic-ratelimit-requests-remaining': '9',
      'anthropic-ratelimit-requests-reset': '2026-05-12T12:01:00Z',
      'anthropic-ratelimit-tokens-limit': '4000',
      'anthropic-ratelimit-tokens-remaining': '3850',
      'anthropic-ratelimit-tokens-reset': '2026-05-12T13:00:00Z',
      'anthropic-ratelimit-input-tokens-limit': '2000',
      'anthropic-ratelimit-input-tokens-remaining': '1900',
      'anthropic-ratelimit-input-tokens-reset': '2026-05-12T12:01:00Z',
      'anthropic-ratelimit-output-tokens-limit': '3000',
      'anthropic-ratelimit-output-tokens-remaining': '2950',
      'anthropic-ratelimit-output-tokens-reset': '2026-05-12T12:01:00Z',
    })
  })

  test('hidden where the file says so', async () => {
    const { request } = start(limits, { config: { hide_client_headers: true } })
    expect(limitFields(await request())).toEqual({})
  })

  test('a refusal shows them too, and takes nothing', async () => {
    const { request } = start([
      { quantity: 'requests', limit: 10, window: 'minute' },
      { quantity: 'total_tokens', limit: 200, window: 'minute' },
    ])
    await request()
    const refused = await request()
    expect(refused.headers.toObject()).toMatchObject({
      'x-ratelimit-remaining-tokens': '90',
      'retry-after': '60',
    })
  })
})
