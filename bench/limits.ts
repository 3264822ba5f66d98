/**
 * What a decision of the ledger costs: in memory with 1, 3 and 6 meters, also among a million live scopes, beside counting
 * in a plain map without limits; and in Redis over loopback, one at a time and many at once, beside Kong's way (one
 * counter after the other, refused requests counted too).
 *
 *     npm run bench -- limits [rounds] [memory]
 *
 * With `memory` Redis is left out.
 * Needs Debian's redis-server.
 */
import type {
  Hold,
  Ledger,
  Meter,
  MeterDefinition,
  Period,
  RedisLimitStore,
} from '../packages/plugin-kit/src/index.ts'
import { createCounterTable, createMemoryLedger } from '../packages/gateway/src/limits/index.ts'
import { meterOf, openLedger, redisStore } from '../e2e/limits/open-ledger.ts'
import { startRedis, type RedisServer } from '../e2e/limits/redis-server.ts'
import { median, save, table } from './rig/report.ts'

const ROUNDS = Number(process.argv[2] ?? 5)
const PERIODS: readonly Period[] = ['minute', 'hour', 'day', 'month', 'year', 'year']
const NEVER = Number.MAX_SAFE_INTEGER
const MEMORY_SLOTS = 65_536
const clock = { now: () => Date.now(), monotonic: () => performance.now() }

function metersOf(ledger: Ledger, count: number, store?: RedisLimitStore): readonly Meter[] {
  return Array.from({ length: count }, (_, i) =>
    ledger.meter(meterOf(`bench-${i}:${PERIODS[i] ?? 'day'}`, PERIODS[i] ?? 'day', NEVER, store)),
  )
}

function holdsOf(meters: readonly Meter[], scope: string): readonly Hold[] {
  return meters.map((meter) => ({ meter, scope, amount: 1 }))
}

const MEMORY_DECISIONS = 300_000
/** Scopes are asked for in an order that no cache of the processor foresees. */
const STRIDE = 7_919

interface InMemory {
  /** µs per decision. */
  readonly us: number
  /** Resident memory per scope and meter; `undefined` where there are too few to tell. */
  readonly bytes: number | undefined
}

function inMemory(kinds: readonly Kind[], scopes: number): InMemory {
  const before = process.memoryUsage().rss
  const table = createCounterTable({ slots: Math.max(MEMORY_SLOTS, scopes * kinds.length) })
  const ledger = createMemoryLedger({ clock, table })
  const meters = kinds.map((kind, i) => ledger.meter({ ...kind, id: `bench-${i}`, limit: NEVER }))
  // Made anew for each decision, as the gateway does.
  for (let i = 0; i < scopes; i++) ledger.reserve(holdsOf(meters, `consumer-${i}`))
  const { counters, overflowed } = ledger.usage()
  if (overflowed > 0) throw new Error('the table is too small')
  global.gc?.()
  const after = process.memoryUsage().rss
  const startedMs = performance.now()
  for (let i = 0; i < MEMORY_DECISIONS; i++) {
    const decision = ledger.reserve(holdsOf(meters, `consumer-${(i * STRIDE) % scopes}`))
    if (decision.admitted) decision.reservation.close()
  }
  const us = ((performance.now() - startedMs) * 1_000) / MEMORY_DECISIONS
  return { us, bytes: counters < 1_000_000 ? undefined : (after - before) / counters }
}

/** Counting alone, for comparison: no limit, no window, one thread. */
function inMap(meterCount: number, scopes: number): number {
  const counters = Array.from({ length: meterCount }, () => new Map<string, number>())
  const count = (scope: string): void => {
    for (const counter of counters) counter.set(scope, (counter.get(scope) ?? 0) + 1)
  }
  for (let i = 0; i < scopes; i++) count(`consumer-${i}`)
  const startedMs = performance.now()
  for (let i = 0; i < MEMORY_DECISIONS; i++) count(`consumer-${(i * STRIDE) % scopes}`)
  return ((performance.now() - startedMs) * 1_000) / MEMORY_DECISIONS
}

interface Measured {
  readonly perSecond: number
  /** CPU of this process, µs per decision. */
  readonly cpuUs: number
  /** CPU of Redis, µs per decision. */
  readonly redisUs: number
  readonly medianMs: number
}

async function redisCpuSeconds({ client }: RedisServer): Promise<number> {
  const info = await client.info('cpu')
  const used = (name: string): number => Number(new RegExp(`${name}:([0-9.]+)`).exec(info)?.[1])
  return used('used_cpu_sys') + used('used_cpu_user')
}

type Kind = Pick<MeterDefinition, 'quantity' | 'window'>

const SLIDING: Kind = { quantity: 'requests', window: { kind: 'sliding', lengthMs: 60_000 } }
const GCRA: Kind = {
  quantity: 'requests',
  window: { kind: 'gcra', lengthMs: 60_000, burst: NEVER },
}
const LEASE: Kind = {
  quantity: 'concurrent_requests',
  window: { kind: 'concurrency', leaseMs: 30_000 },
}
const CALENDAR_WEEK: Kind = {
  quantity: 'requests',
  window: { kind: 'calendar', period: 'week' },
}
/** What a call of a model may ask at once. */
const CALL: readonly Kind[] = [
  SLIDING,
  { quantity: 'total_tokens', window: { kind: 'sliding', lengthMs: 60_000 } },
  {
    quantity: 'nano_dollars',
    window: { kind: 'calendar', period: 'month', timeZone: 'Asia/Bangkok' },
  },
  LEASE,
]

interface RedisRun {
  /** Calendar meters when a number. */
  readonly meters: number | readonly Kind[]
  readonly together: number
  readonly decisions: number
  /** Whether every reservation is settled with something else than it reserved. */
  readonly settled?: boolean
}

async function inRedis(
  redis: RedisServer,
  store: Partial<RedisLimitStore>,
  options: RedisRun,
): Promise<Measured> {
  const ledger = await openLedger(redis.port)
  const where = redisStore(redis.port, store)
  const meters =
    typeof options.meters === 'number'
      ? metersOf(ledger, options.meters, where)
      : options.meters.map((kind, i) =>
          ledger.meter({
            ...kind,
            id: `kind-${i}-${kind.window.kind}`,
            limit: NEVER,
            store: where,
          }),
        )
  const actual = options.settled === true ? meters.map(() => 2) : undefined
  const asked = Array.from({ length: 10_000 }, (_, i) => holdsOf(meters, `consumer-${i}`))
  let next = 0
  const latencies: number[] = []
  const worker = async (decisions: number): Promise<void> => {
    for (let i = 0; i < decisions; i++) {
      const holds = asked[next++ % asked.length]
      if (holds === undefined) continue
      const startedMs = performance.now()
      const decision = await ledger.reserve(holds)
      latencies.push(performance.now() - startedMs)
      if (decision.admitted) decision.reservation.close(actual)
    }
  }
  const all = (decisions: number): Promise<void[]> =>
    Promise.all(
      Array.from({ length: options.together }, () => worker(decisions / options.together)),
    )
  await all(options.decisions / 5)
  latencies.length = 0
  const [cpu, redisCpu, startedMs] = [
    process.cpuUsage(),
    await redisCpuSeconds(redis),
    performance.now(),
  ]
  await all(options.decisions)
  const seconds = (performance.now() - startedMs) / 1_000
  await ledger.settle(10_000)
  const { user, system } = process.cpuUsage(cpu)
  const redisSeconds = (await redisCpuSeconds(redis)) - redisCpu
  ledger.close()
  return {
    perSecond: options.decisions / seconds,
    cpuUs: (user + system) / options.decisions,
    redisUs: (redisSeconds * 1e6) / options.decisions,
    medianMs: median(latencies),
  }
}

const results: Record<string, number> = {}
const CALENDAR: readonly Kind[] = PERIODS.map((period) => ({
  quantity: 'requests',
  window: { kind: 'calendar', period },
}))
const memoryRows: string[][] = []
for (const [name, kinds, scopes] of [
  ['calendar', CALENDAR.slice(0, 1), 1_000],
  ['calendar', CALENDAR.slice(0, 3), 1_000],
  ['calendar', CALENDAR, 1_000],
  ['calendar', CALENDAR.slice(1, 2), 1_000_000],
  ['calendar', CALENDAR.slice(1, 4), 1_000_000],
  ['calendar', CALENDAR.slice(0, 6).with(0, CALENDAR_WEEK), 1_000_000],
  ['sliding', [SLIDING, SLIDING, SLIDING], 1_000],
  ['GCRA', [GCRA, GCRA, GCRA], 1_000],
  ['requests, tokens, money, concurrency', CALL, 1_000],
] as const) {
  const rounds = Array.from({ length: ROUNDS }, () => inMemory(kinds, scopes))
  const us = median(rounds.map((round) => round.us))
  const bytes = rounds[0]?.bytes
  const mapUs = median(Array.from({ length: ROUNDS }, () => inMap(kinds.length, scopes)))
  results[`memory ${name} ${kinds.length} meters ${scopes} scopes, µs`] = us
  if (bytes !== undefined) results[`memory ${kinds.length} meters, bytes per scope`] = bytes
  memoryRows.push([
    name,
    String(kinds.length),
    scopes.toLocaleString('en'),
    us.toFixed(2),
    mapUs.toFixed(2),
    bytes === undefined ? '' : bytes.toFixed(0),
  ])
}
const memoryHeads = ['in memory', 'meters', 'scopes', 'µs', 'µs of a plain map', 'bytes each']
process.stdout.write(`${table(memoryHeads, memoryRows)}\n\n`)

if (process.argv[3] === 'memory') process.exit()

const redis = await startRedis()
const redisRows: string[][] = []
const RUNS: readonly (readonly [
  name: string,
  store: Partial<RedisLimitStore>,
  meters: RedisRun['meters'],
  together: number,
  decisions: number,
])[] = [
  ['exact, one at a time', {}, 3, 1, 20_000],
  ['exact, 50 at once', {}, 3, 50, 100_000],
  ['exact, 500 at once', {}, 3, 500, 200_000],
  ['exact, 500 at once', {}, 1, 500, 200_000],
  ['as Kong, 500 at once', { counting: 'kong' }, 3, 500, 50_000],
  ['exact, settled, 500 at once', {}, 3, 500, 100_000],
  ['sliding, 500 at once', {}, [SLIDING, SLIDING, SLIDING], 500, 100_000],
  ['GCRA, 500 at once', {}, [GCRA, GCRA, GCRA], 500, 100_000],
  ['a lease, taken and released, 500 at once', {}, [LEASE], 500, 100_000],
  ['a call: requests, tokens, money, lease; one at a time', {}, CALL, 1, 20_000],
  ['a call, settled, 500 at once', {}, CALL, 500, 100_000],
]
for (const [name, store, meters, together, decisions] of RUNS) {
  const measured: Measured[] = []
  const settled = name.includes('settled')
  for (let round = 0; round < ROUNDS; round++) {
    measured.push(await inRedis(redis, store, { meters, together, decisions, settled }))
  }
  const count = typeof meters === 'number' ? meters : meters.length
  const of = (pick: (one: Measured) => number): number => median(measured.map(pick))
  results[`redis ${name} ${count} meters, per second`] = of(({ perSecond }) => perSecond)
  redisRows.push([
    name,
    String(count),
    Math.round(of(({ perSecond }) => perSecond)).toLocaleString('en'),
    of(({ cpuUs }) => cpuUs).toFixed(1),
    of(({ redisUs }) => redisUs).toFixed(1),
    of(({ medianMs }) => medianMs).toFixed(2),
  ])
}
await redis[Symbol.asyncDispose]()
const heads = ['in Redis', 'meters', 'decisions/s', 'gateway µs', 'Redis µs', 'median ms']
process.stdout.write(`${table(heads, redisRows)}\n`)
save('limits', results)
