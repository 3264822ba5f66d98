import type { Ledger } from '@pratu/plugin-kit'
import {
  describePlugin,
  givenContext,
  givenExchange,
  parseConfig,
  runExchange,
  type ContextGiven,
  type ExchangeGiven,
  type ExchangeResult,
  type TestExchange,
} from '@pratu/plugin-kit/testing'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { responseRateLimitingSchema } from './config.ts'
import { readDeclaredUse } from './declared-use.ts'
import { responseRateLimiting } from './plugin.ts'

const NO_PERIOD =
  "at least one of these fields must be non-empty: 'second', 'minute', 'hour', 'day', 'month', 'year'"

describePlugin(responseRateLimiting, {
  validConfig: { limits: { video: { minute: 10 } } },
  defaults: {
    limits: [{ name: 'video', period: 'minute', limit: 10 }],
    headerName: 'x-kong-limit',
    limitBy: 'consumer',
    policy: 'local',
    onStoreFailure: 'allow',
    blockOnFirstViolation: false,
    hideClientHeaders: false,
    redis: {
      topology: 'single',
      nodes: [],
      masterName: undefined,
      username: undefined,
      password: undefined,
      sentinelUsername: undefined,
      sentinelPassword: undefined,
      database: 0,
      tls: undefined,
      timeoutMs: 100,
    },
  },
  invalidConfigs: [
    { config: {}, message: 'required field missing', path: 'limits' },
    { config: { limits: {} }, message: 'length must be at least 1', path: 'limits' },
    { config: { limits: { video: {} } }, message: NO_PERIOD, path: 'limits.video.@entity' },
    {
      config: { limits: { video: { second: 10, minute: 5 } } },
      message: 'the limit for minute(5.0) cannot be lower than the limit for second(10.0)',
      path: 'limits.video.@entity',
    },
    {
      config: { limits: { 'bad name': { second: 1 } } },
      message: "bad name 'bad name', allowed characters are A-Z, a-z, 0-9, '_', and '-'",
      path: 'limits.bad name',
    },
    {
      config: { limits: { video: { minute: 1 } }, policy: 'cluster' },
      message: 'expected one of: local, redis',
      path: 'policy',
    },
    {
      config: { limits: { video: { minute: 1 } }, limit_by: 'service' },
      message: 'expected one of: consumer, credential, ip',
      path: 'limit_by',
    },
    {
      config: { limits: { video: { minute: 1 } }, policy: 'redis' },
      message: 'required field missing',
      path: 'redis.host',
    },
  ],
})

interface Limited {
  readonly exchange: TestExchange
  readonly result: ExchangeResult
}

function start(raw: object, given: ContextGiven = {}) {
  const context = givenContext(given)
  const plugin = responseRateLimiting.create(parseConfig(responseRateLimiting, raw), context)
  return {
    context,
    /** @param use what the upstream declares. */
    ask: async (use: string | undefined, asked: ExchangeGiven = {}): Promise<Limited> => {
      const exchange = givenExchange(asked)
      const headers = {
        'Content-Type': 'text/plain',
        ...(use === undefined ? {} : { 'X-Kong-Limit': use }),
      }
      const result = await runExchange(plugin, exchange, { response: { headers, body: 'film' } })
      return { exchange, result }
    },
  }
}

const VIDEO = { limits: { video: { minute: 5, hour: 100 } } }

describe('kong.md §3.19 a response that declares its use', () => {
  test('is counted, and shows what is left; the declaration stays here', async () => {
    const { ask } = start(VIDEO)
    const { result } = await ask('video=2')
    expect([result.status, result.body]).toEqual([200, 'film'])
    expect(result.headers.toObject()).toMatchObject({
      'x-ratelimit-limit-video-minute': '5',
      'x-ratelimit-remaining-video-minute': '3',
      'x-ratelimit-limit-video-hour': '100',
      'x-ratelimit-remaining-video-hour': '98',
    })
    expect(result.headers.has('x-kong-limit')).toBe(false)
  })

  test('the upstream is told the least that is left of each limit', async () => {
    const { ask } = start({ limits: { video: { minute: 5, hour: 100 }, audio: { day: 7 } } })
    await ask('video=2, audio=1')
    const { exchange } = await ask(undefined)
    expect(exchange.upstream.headers.get('x-ratelimit-remaining-video')).toBe('3')
    expect(exchange.upstream.headers.get('x-ratelimit-remaining-audio')).toBe('6')
  })

  test('that crosses the limit passes; the next that uses it is an empty 429', async () => {
    const { ask } = start(VIDEO)
    const crossing = await ask('video=9')
    expect(crossing.result.status).toBe(200)
    expect(crossing.result.headers.get('x-ratelimit-remaining-video-minute')).toBe('0')
    const { result } = await ask('video=1')
    expect([result.status, result.body, result.proxied]).toEqual([429, '', true])
    expect(result.headers.has('content-type')).toBe(false)
  })

  test('a response that uses nothing of a limit that is used up passes', async () => {
    const { ask } = start(VIDEO)
    await ask('video=5')
    expect((await ask(undefined)).result.status).toBe(200)
    expect((await ask('other=1')).result.status).toBe(200)
  })

  test('with block_on_first_violation the next request is refused before the upstream', async () => {
    const { ask } = start({ ...VIDEO, block_on_first_violation: true })
    await ask('video=5')
    const { result } = await ask('video=1')
    expect([result.status, result.proxied]).toEqual([429, false])
    expect(result.reply).toMatchObject({ message: "API rate limit exceeded for 'video'" })
  })

  test('hide_client_headers shows nothing; it is counted all the same', async () => {
    const { ask } = start({ ...VIDEO, hide_client_headers: true })
    const { result } = await ask('video=5')
    expect(Object.keys(result.headers.toObject())).toEqual(['content-type'])
    expect((await ask('video=1')).result.status).toBe(429)
  })

  test('the field may have another name', async () => {
    const { ask } = start({ ...VIDEO, header_name: 'X-Used' })
    const { result } = await ask('video=5')
    expect(result.headers.get('x-kong-limit')).toBe('video=5')
    expect(result.headers.get('x-ratelimit-remaining-video-minute')).toBe('5')
  })

  test('windows are of the calendar', async () => {
    const { context, ask } = start(VIDEO)
    await ask('video=5')
    context.clock.advance(60_000)
    expect((await ask('video=1')).result.status).toBe(200)
  })

  test('a limit with a fraction is shown as written', async () => {
    const { result } = await start({ limits: { v: { minute: 2.5 } } }).ask('v=1')
    expect(result.headers.get('x-ratelimit-limit-v-minute')).toBe('2.5')
    expect(result.headers.get('x-ratelimit-remaining-v-minute')).toBe('1.5')
  })
})

describe('kong.md §3.19 limit_by', () => {
  const alice = { consumer: { id: 'alice' }, credential: { id: 'a1' }, clientIp: '10.0.0.1' }
  const bob = { consumer: { id: 'bob' }, credential: { id: 'b1' }, clientIp: '10.0.0.1' }

  test.each([
    ['consumer', 200],
    ['credential', 200],
    ['ip', 429],
  ])('%s: another caller at the same address gets %i', async (limitBy, status) => {
    const { ask } = start({ ...VIDEO, limit_by: limitBy })
    await ask('video=5', alice)
    expect((await ask('video=1', alice)).result.status).toBe(429)
    expect((await ask('video=1', bob)).result.status).toBe(status)
  })
})

describe('kong.md §3.19 policy: redis', () => {
  const remote = { ...VIDEO, policy: 'redis', redis: { host: 'redis' } }

  function given(peek: Ledger['peek'], raw: object = remote) {
    const inner = givenContext().ledger
    const stores: unknown[] = []
    const ledger: Ledger = {
      ...inner,
      meter(definition) {
        stores.push(definition.store)
        return inner.meter(definition)
      },
      peek,
      record: () => Promise.reject(new Error('Redis is away')),
    }
    return { stores, ...start(raw, { ledger }) }
  }

  test('counters are in Redis; while it is away requests pass uncounted and without fields', async () => {
    const { ask, stores } = given(async () => ({
      limit: 5,
      remaining: 0,
      used: 0,
      resetMs: 0,
      unknown: true,
    }))
    const { result } = await ask('video=5')
    expect(stores[0]).toMatchObject({ kind: 'redis', onFailure: 'allow', counting: 'admitted' })
    expect(result.status).toBe(200)
    expect(result.headers.has('x-ratelimit-limit-video-minute')).toBe(false)
  })

  test('a count that fails costs no answer', async () => {
    const { ask } = given(async () => ({ limit: 5, remaining: 5, used: 0, resetMs: 1 }))
    expect((await ask('video=2')).result.status).toBe(200)
  })

  test('with fault_tolerant: false a Redis that is away fails the request', async () => {
    const { ask } = given(() => Promise.reject(new Error('away')), {
      ...remote,
      fault_tolerant: false,
    })
    await expect(ask('video=1')).rejects.toThrow('away')
    expect(
      responseRateLimitingSchema.parse({ ...remote, fault_tolerant: false }).onStoreFailure,
    ).toBe('deny')
  })
})

describe('a declaration', () => {
  const known = new Set(['a', 'b'])
  const read = (...values: string[]) => Object.fromEntries(readDeclaredUse(values, known))

  test('names limits and whole units, a fraction counts as one', () => {
    expect(read('a=1, b = 2 ')).toEqual({ a: 1, b: 2 })
    expect(read('a=0.2', 'b=3')).toEqual({ a: 1, b: 3 })
  })

  test('what is no use of a known limit is left out', () => {
    expect(read('a', 'a=', 'a=x', 'a=-1', 'a=0', 'c=1', 'a=1=2', 'a=1e999')).toEqual({})
  })

  test('of any form never fails', () => {
    fc.assert(
      fc.property(fc.array(fc.string()), (values) => {
        for (const units of readDeclaredUse(values, known).values())
          expect(Number.isSafeInteger(units) && units > 0).toBe(true)
      }),
    )
  })
})
