import { parseConfig } from '@pratu/plugin-kit/testing'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseDollars, parseDuration } from './amounts.ts'
import { aiLimitsSchema, type AiLimitsConfig } from './config.ts'
import { aiLimits } from './plugin.ts'
import { formatDuration } from './rate-headers.ts'

const parse = (config: unknown): AiLimitsConfig => parseConfig(aiLimits, config)

/** The messages about a configuration by the place of each. */
function problems(config: unknown): Record<string, string> {
  const result = aiLimitsSchema.safeParse(config)
  return Object.fromEntries(
    (result.error?.issues ?? []).map(({ path, message }) => [path.join('.'), message]),
  )
}

const REQUESTS = { quantity: 'requests', limit: 5, window: 'minute' }
const withLimit = (members: object): object => ({ limits: [{ ...REQUESTS, ...members }] })

describe('a limit as the program sees it', () => {
  test('has the documented defaults', () => {
    expect(parse({ limits: [REQUESTS] }).limits).toEqual([
      {
        name: 'requests-per-minute',
        quantity: 'requests',
        limit: 5,
        window: { kind: 'calendar', period: 'minute', timeZone: undefined },
        by: ['consumer'],
        headerName: undefined,
        tagPrefix: undefined,
        models: undefined,
        consumers: undefined,
        groups: undefined,
        tags: undefined,
        mode: 'enforce',
        warnAt: [],
        onExhausted: 'cut',
        unpriced: 'allow',
        reserveOutput: 1000,
      },
    ])
  })

  test.each<[object, object]>([
    [
      { window: 'month', time_zone: 'Europe/Berlin' },
      { kind: 'calendar', period: 'month', timeZone: 'Europe/Berlin' },
    ],
    [{ window: '60s' }, { kind: 'sliding', lengthMs: 60_000 }],
    [{ window: '30d' }, { kind: 'sliding', lengthMs: 30 * 86_400_000 }],
    [
      { window: '10s', burst: 3 },
      { kind: 'gcra', lengthMs: 10_000, burst: 3 },
    ],
    [
      { quantity: 'concurrent_requests', window: undefined },
      { kind: 'concurrency', leaseMs: 30_000 },
    ],
  ])('%j is a window', (members, window) => {
    expect(parse(withLimit(members)).limits[0]?.window).toEqual(window)
  })

  test.each([
    ['25.00', 25_000_000_000],
    [25, 25_000_000_000],
    [0.1, 100_000_000],
    ['0.000000001', 1],
    ['9000000', 9_000_000_000_000_000],
  ])('%s dollars are %i nano-dollars', (written, nanoDollars) => {
    const { limits } = parse(withLimit({ quantity: 'cost', limit: written }))
    expect(limits[0]).toMatchObject({ quantity: 'nano_dollars', limit: nanoDollars })
  })

  test('dollars are exact, whatever their decimals', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 999_999 }),
        fc.integer({ min: 0, max: 999_999_999 }),
        (whole, nano) => {
          const written = `${whole}.${String(nano).padStart(9, '0')}`
          expect(parseDollars(written)).toBe(whole * 1_000_000_000 + nano)
        },
      ),
    )
  })
})

describe('what is refused, and what is said', () => {
  test.each<[object, string, string]>([
    [{ limit: 0 }, 'limits.0.limit', 'expected a whole number from 1'],
    [{ limit: 1.5 }, 'limits.0.limit', 'expected a whole number from 1'],
    [{ limit: '5' }, 'limits.0.limit', 'expected a whole number from 1'],
    [{ limit: undefined }, 'limits.0.limit', 'required field missing'],
    [
      { quantity: 'cost', limit: '-1' },
      'limits.0.limit',
      'expected dollars from 0.000000001 to 9000000, with at most nine decimals',
    ],
    [
      { quantity: 'cost', limit: '9999999' },
      'limits.0.limit',
      'expected dollars from 0.000000001 to 9000000, with at most nine decimals',
    ],
    [
      { quantity: 'cost', limit: '0' },
      'limits.0.limit',
      'expected dollars from 0.000000001 to 9000000, with at most nine decimals',
    ],
    [{ window: undefined }, 'limits.0.window', 'required field missing'],
    [
      { window: 'fortnight' },
      'limits.0.window',
      'expected one of second, minute, hour, day, week, month, year, or a length such as 60s, 10m, 24h, 30d',
    ],
    [{ window: '500d' }, 'limits.0.window', 'a window is between 1s and 400d long'],
    [{ quantity: 'concurrent_requests' }, 'limits.0.window', 'what is held at once has no window'],
    [
      { time_zone: 'Mars/Base' },
      'limits.0.time_zone',
      "unknown time zone 'Mars/Base', expected a name such as Europe/Berlin",
    ],
    [
      { window: '60s', time_zone: 'UTC' },
      'limits.0.time_zone',
      'is only for second, minute, hour, day, week, month, year',
    ],
    [{ burst: 3 }, 'limits.0.burst', 'is only for a window with a length, such as 60s'],
    [{ by: 'header' }, 'limits.0.header_name', 'goes together with `by: header`'],
    [{ tag_prefix: 'team:' }, 'limits.0.tag_prefix', 'goes together with `by: tag`'],
    [{ by: ['everything', 'ip'] }, 'limits.0.by', 'everything stands alone'],
    [
      { by: 'planet' },
      'limits.0.by',
      'expected one or several of: consumer, credential, ip, header, path, route, service, model, tag, everything',
    ],
    [
      { name: 'two words' },
      'limits.0.name',
      'a name is up to 64 letters, digits, dots, hyphens and underscores',
    ],
    [{ warn_at: [80] }, 'limits.0.warn_at.0', 'value should be between 0.01 and 1'],
    [{ quota: 1 }, 'limits.0', 'unknown field'],
  ])('%j', (members, place, message) => {
    expect(problems(withLimit(members))).toMatchObject({ [place]: message })
  })

  test('two limits of one name', () => {
    expect(problems({ limits: [REQUESTS, REQUESTS] })).toEqual({
      limits: "two limits are called 'requests-per-minute': give them a name",
    })
  })

  test('Redis without a host', () => {
    expect(problems({ limits: [REQUESTS], policy: 'redis' })).toEqual({
      'redis.host': 'required field missing',
    })
  })

  test('no limits', () => {
    expect(problems({ limits: [] })).toEqual({ limits: 'length must be at least 1' })
  })
})

test.each([
  ['1s', 1000],
  ['90m', 5_400_000],
  ['2w', 1_209_600_000],
  ['', undefined],
  ['5', undefined],
  ['-5s', undefined],
])('%s is %s ms', (written, ms) => {
  expect(parseDuration(written)).toBe(ms)
})

test.each([
  [0, '0ms'],
  [120, '120ms'],
  [1000, '1s'],
  [2400, '2.4s'],
  [360_000, '6m0s'],
  [3_603_000, '1h0m3s'],
])('%i ms are %s in OpenAI’s form', (ms, text) => {
  expect(formatDuration(ms)).toBe(text)
})
