import type { Decision, Ledger, Meter, MeterDefinition, Reservation } from '@pratu/plugin-kit'
import { createReferenceLedger } from '@pratu/plugin-kit/testing'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { LimitLedger } from '../../packages/gateway/src/limits/index.ts'
import { ClockedConnections, tellTime } from '../limits/clocked-redis.ts'
import { openLedger, redisStore } from '../limits/open-ledger.ts'
import { startRedis, type RedisServer } from '../limits/redis-server.ts'

/** More of them run in memory; here each asks a real server. */
const RUNS = 600
const START_MS = Date.UTC(2026, 10, 24, 10, 30)
/** Longer than any sequence: what a replica that crashes holds stays held to its end. */
const LEASE_MS = 1_000_000_000_000

type Kind = Pick<MeterDefinition, 'window' | 'quantity'> & Partial<MeterDefinition>

const METERS: readonly (Kind & { readonly limit: number })[] = [
  { quantity: 'requests', window: { kind: 'calendar', period: 'minute' }, limit: 3 },
  { quantity: 'nano_dollars', window: { kind: 'calendar', period: 'month' }, limit: 12 },
  { quantity: 'total_tokens', window: { kind: 'sliding', lengthMs: 8_000 }, limit: 7 },
  {
    quantity: 'output_tokens',
    window: { kind: 'calendar', period: 'day' },
    limit: 2,
    mode: 'report',
  },
  { quantity: 'concurrent_requests', window: { kind: 'concurrency', leaseMs: LEASE_MS }, limit: 4 },
]

interface Ask {
  readonly meter: number
  readonly scope: number
  readonly amount: number
}

type Step =
  | { readonly do: 'reserve'; readonly replica: number; readonly holds: readonly Ask[] }
  | { readonly do: 'close'; readonly which: number; readonly actual: readonly number[] | undefined }
  | { readonly do: 'grow'; readonly which: number; readonly hold: number; readonly amount: number }
  | { readonly do: 'record' | 'reset'; readonly at: Ask }
  | { readonly do: 'wait'; readonly ms: number }
  | { readonly do: 'crash'; readonly replica: number }

const ask = fc.record({
  meter: fc.nat({ max: METERS.length - 1 }),
  scope: fc.nat({ max: 1 }),
  amount: fc.integer({ min: 1, max: 4 }),
})
const replica = fc.nat({ max: 1 })
const which = fc.nat({ max: 9 })

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('reserve' as const),
      replica,
      holds: fc.array(ask, { minLength: 1, maxLength: 4 }),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('close' as const),
      which,
      actual: fc.option(fc.array(fc.nat({ max: 5 }), { minLength: 4, maxLength: 4 }), {
        nil: undefined,
      }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('grow' as const),
      which,
      hold: fc.nat({ max: 3 }),
      amount: fc.integer({ min: 1, max: 3 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constantFrom('record' as const, 'reset' as const), at: ask }),
  },
  {
    // A sliding window may forget an eighth of its length late: no wait ends in that eighth.
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('wait' as const),
      ms: fc.constantFrom(100, 10_000, 60_000, 86_400_000),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('crash' as const), replica }) },
)

interface Both {
  readonly ours: Reservation
  readonly model: Reservation
  readonly holds: readonly Ask[]
  readonly replica: number
}

/** Two replicas over one Redis beside one model, and a clock that all of them follow. */
class Walk {
  readonly #redis: RedisServer
  readonly #replicas: LimitLedger[]
  readonly #run: number
  #nowMs = START_MS
  readonly #model: Ledger = createReferenceLedger({
    now: () => this.#nowMs,
    monotonic: () => this.#nowMs,
  })
  readonly #open: Both[] = []

  constructor(redis: RedisServer, replicas: LimitLedger[], run: number) {
    this.#redis = redis
    this.#replicas = replicas
    this.#run = run
  }

  async take(next: Step): Promise<void> {
    switch (next.do) {
      case 'reserve':
        await this.#reserve(next.replica, next.holds)
        break
      case 'close': {
        const [chosen] = this.#open.splice(next.which % Math.max(1, this.#open.length), 1)
        chosen?.ours.close(next.actual)
        chosen?.model.close(next.actual)
        break
      }
      case 'grow': {
        const chosen = this.#open[next.which % Math.max(1, this.#open.length)]
        if (chosen?.holds[next.hold] === undefined) break
        await this.#settled()
        expect(await chosen.ours.grow(next.hold, next.amount)).toBe(
          await chosen.model.grow(next.hold, next.amount),
        )
        break
      }
      case 'record':
      case 'reset': {
        const { kind } = METERS[next.at.meter]?.window ?? {}
        // What is held stays held, and is not spent; within an eighth of its length a sliding window does not know what
        // came before a reset.
        if (kind === 'concurrency' || (kind === 'sliding' && next.do === 'reset')) break
        await this.#settled()
        const [ours, theirs] = [this.#replica(0), this.#model].map((ledger) => ({
          ledger,
          meter: this.#meter(ledger, next.at.meter),
        }))
        for (const side of [ours, theirs]) {
          if (side === undefined) continue
          const { ledger, meter } = side
          const scope = this.#scope(next.at)
          if (next.do === 'reset') await ledger.reset(meter, scope)
          else await ledger.record(meter, scope, next.at.amount, this.#nowMs)
        }
        break
      }
      case 'wait':
        await this.#settled()
        this.#nowMs += next.ms
        await tellTime(this.#redis.client, this.#nowMs)
        break
      case 'crash':
        await this.#settled()
        await this.#crash(next.replica)
        break
    }
    await this.#compare()
  }

  /** What nobody holds any more is free once its lease is over, whoever crashed. */
  async end(): Promise<void> {
    for (const { ours } of this.#open) ours.close()
    await this.#settled()
    await tellTime(this.#redis.client, this.#nowMs + LEASE_MS)
    for (const scope of [0, 1]) {
      const meter = this.#meter(this.#replica(0), METERS.length - 1)
      const { used } = await this.#replica(0).peek(meter, this.#scope({ scope }))
      expect(used).toBe(0)
    }
    await tellTime(this.#redis.client, START_MS)
  }

  async #reserve(at: number, asked: readonly Ask[]): Promise<void> {
    await this.#settled()
    const ours = await this.#ask(this.#replica(at), asked)
    const model = await this.#ask(this.#model, asked)
    expect(essence(ours)).toEqual(essence(model))
    if (ours.admitted && model.admitted) {
      this.#open.push({
        ours: ours.reservation,
        model: model.reservation,
        holds: asked,
        replica: at,
      })
    }
  }

  async #ask(ledger: Ledger, asked: readonly Ask[]): Promise<Decision> {
    return ledger.reserve(
      asked.map((one) => ({
        meter: this.#meter(ledger, one.meter),
        scope: this.#scope(one),
        amount: one.amount,
      })),
    )
  }

  /** A process that is gone tells nobody: what it had reserved stays counted, in the model too. */
  async #crash(at: number): Promise<void> {
    const lost = this.#open.filter((one) => one.replica === at)
    for (const one of lost) this.#open.splice(this.#open.indexOf(one), 1)
    this.#replica(at).close()
    this.#replicas[at] = await openReplica(this.#redis)
  }

  async #compare(): Promise<void> {
    await this.#settled()
    for (const [number] of METERS.entries()) {
      for (const scope of [0, 1]) {
        const name = this.#scope({ scope })
        const ours = await this.#replica(0).peek(this.#meter(this.#replica(0), number), name)
        const model = await this.#model.peek(this.#meter(this.#model, number), name)
        expect(ours.used, `meter ${number} of ${name}`).toBe(model.used)
      }
    }
  }

  async #settled(): Promise<void> {
    for (const ledger of this.#replicas) await ledger.settle(5_000)
  }

  #replica(at: number): LimitLedger {
    const ledger = this.#replicas[at]
    if (ledger === undefined) throw new Error('no such replica')
    return ledger
  }

  #meter(ledger: Ledger, number: number): Meter {
    const kind = METERS[number]
    if (kind === undefined) throw new Error('no such meter')
    const store = ledger === this.#model ? undefined : redisStore(this.#redis.port)
    return ledger.meter({ ...kind, id: `m${number}`, store })
  }

  #scope({ scope }: Pick<Ask, 'scope'>): string {
    return `run-${this.#run}-${scope}`
  }
}

function essence({ admitted, meters }: Decision): unknown {
  return {
    admitted,
    meters: meters.map(({ limit, used, remaining }) => ({ limit, used, remaining })),
  }
}

function openReplica({ port }: RedisServer): Promise<LimitLedger> {
  return openLedger(port, { connections: new ClockedConnections() })
}

test('any of 600 sequences over two replicas, with late settling, growth and crashes, gets the reference ledger’s answers', async () => {
  await using redis = await startRedis()
  await tellTime(redis.client, START_MS)
  const replicas = [await openReplica(redis), await openReplica(redis)]
  let runs = 0
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
      const walk = new Walk(redis, replicas, (runs += 1))
      for (const next of steps) await walk.take(next)
      await walk.end()
    }),
    { numRuns: RUNS },
  )
  for (const ledger of replicas) ledger.close()
  expect(runs).toBeGreaterThanOrEqual(RUNS)
})
