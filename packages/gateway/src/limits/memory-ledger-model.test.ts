import type { Ledger, Meter, MeterDefinition, MeterWindow, Reservation } from '@pratu/plugin-kit'
import { TestClock, createReferenceLedger } from '@pratu/plugin-kit/testing'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  CounterStore,
  createCounterTable,
  releaseThread,
  type CounterTable,
} from './counter-table.ts'
import { createMemoryLedger } from './memory-ledger.ts'

/** Of the issue: so many sequences of commands, split so that each test stays short. */
const SEQUENCES = 10_000
const TESTS = 4
const THREADS = 3

const WINDOWS: readonly (readonly [MeterWindow, MeterDefinition['quantity']])[] = [
  [{ kind: 'calendar', period: 'second' }, 'requests'],
  [{ kind: 'calendar', period: 'minute' }, 'total_tokens'],
  [{ kind: 'calendar', period: 'month' }, 'nano_dollars'],
  [{ kind: 'sliding', lengthMs: 1_000 }, 'requests'],
  [{ kind: 'sliding', lengthMs: 86_400_000 }, 'nano_dollars'],
  [{ kind: 'concurrency', leaseMs: 30_000 }, 'concurrent_requests'],
]
const DEFINITIONS: readonly MeterDefinition[] = [
  ...WINDOWS.map(([window, quantity], i) => ({ id: `m${i}`, window, quantity, limit: 5 })),
  { id: 'tight', window: { kind: 'calendar', period: 'hour' }, quantity: 'requests', limit: 1 },
  {
    id: 'told',
    window: { kind: 'sliding', lengthMs: 60_000 },
    quantity: 'requests',
    limit: 2,
    mode: 'report',
  },
]

const thread = fc.nat(THREADS - 1)
/** Two of them more often, so that commands meet. */
const meter = fc.oneof(fc.nat(DEFINITIONS.length - 1), fc.constantFrom(1, 4))
const scope = fc.constantFrom('alice', 'alice', 'bob')
const amount = fc.integer({ min: 1, max: 3 })
const which = fc.nat(20)
const command = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('reserve' as const),
      thread,
      holds: fc.array(fc.record({ meter, scope, amount }), { minLength: 1, maxLength: 4 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('close' as const),
      which,
      actual: fc.option(fc.array(fc.nat(6), { maxLength: 4 }), { nil: undefined }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('advance' as const),
      ms: fc.oneof(fc.nat(300), fc.nat(70_000), fc.nat(40 * 86_400_000)),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('grow' as const), which, hold: fc.nat(3), amount }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('peek' as const), thread, meter, scope }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('reset' as const), thread, meter, scope }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('record' as const),
      thread,
      meter,
      scope,
      amount,
      agoMs: fc.oneof(fc.nat(1_500), fc.nat(90_000_000)),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('die' as const),
      thread: fc.integer({ min: 1, max: THREADS - 1 }),
      locked: fc.boolean(),
    }),
  },
)

type Command = typeof command extends fc.Arbitrary<infer C> ? C : never

interface Opened {
  readonly ledger: Ledger
  readonly meters: readonly Meter[]
}

/** A reservation of both sides. */
interface Pair {
  readonly thread: number
  readonly real: Reservation
  readonly model: Reservation
}

function openOn(ledger: Ledger): Opened {
  return { ledger, meters: DEFINITIONS.map((definition) => ledger.meter(definition)) }
}

/** Threads that count in one table, beside one reference ledger. */
class Process {
  readonly #clock = new TestClock(Date.UTC(2026, 10, 24, 10, 30))
  readonly #table: CounterTable = createCounterTable({ slots: 64, threads: THREADS })
  readonly #threads = Array.from({ length: THREADS }, (_, i) => this.#start(i))
  readonly #model = openOn(createReferenceLedger(this.#clock))
  #pairs: Pair[] = []

  #start(number: number): Opened {
    return openOn(
      createMemoryLedger({
        clock: this.#clock,
        table: this.#table,
        thread: number,
        machineMs: () => this.#clock.monotonic(),
        uptimeMs: () => this.#clock.monotonic(),
      }),
    )
  }

  run(next: Command): void {
    switch (next.do) {
      case 'advance':
        this.#clock.advance(next.ms)
        return
      case 'reserve':
        this.#reserve(next)
        return
      case 'close': {
        const pair = this.#pairs[next.which % this.#pairs.length]
        pair?.real.close(next.actual)
        pair?.model.close(next.actual)
        return
      }
      case 'grow': {
        const pair = this.#pairs[next.which % this.#pairs.length]
        if (pair === undefined) return
        const grown = pair.real.grow(next.hold, next.amount)
        expect(grown).toBe(pair.model.grow(next.hold, next.amount))
        if (!pair.real.closed)
          expect(pair.real.used(next.hold, 4)).toBe(pair.model.used(next.hold, 4))
        return
      }
      case 'die':
        this.#die(next.thread, next.locked)
        return
      default:
        for (const { ledger, meters } of [this.#threadOf(next.thread), this.#model]) {
          const asked = pick(meters, next.meter)
          if (next.do === 'reset') void ledger.reset(asked, next.scope)
          if (next.do !== 'record') continue
          void ledger.record(asked, next.scope, next.amount, this.#clock.now() - next.agoMs)
        }
        this.#compare(next.thread, next.meter, next.scope)
    }
  }

  /** Of everything, seen by each thread. */
  compareAll(): void {
    for (let i = 0; i < THREADS; i++) {
      for (const at of DEFINITIONS.keys()) {
        for (const name of ['alice', 'bob']) this.#compare(i, at, name)
      }
    }
  }

  #compare(number: number, at: number, name: string): void {
    const { ledger, meters } = this.#threadOf(number)
    const real = ledger.peek(pick(meters, at), name)
    expect(real).toEqual(this.#model.ledger.peek(pick(this.#model.meters, at), name))
  }

  #reserve({ thread: number, holds }: Extract<Command, { do: 'reserve' }>): void {
    const [real, model] = [this.#threadOf(number), this.#model].map(({ ledger, meters }) =>
      ledger.reserve(holds.map((hold) => ({ ...hold, meter: pick(meters, hold.meter) }))),
    )
    if (real === undefined || model === undefined) throw new Error('no answer')
    if (real instanceof Promise || model instanceof Promise) throw new Error('answers at once')
    if (real.admitted && model.admitted) {
      expect(real.meters).toEqual(model.meters)
      const { reservation } = real
      this.#pairs.push({ thread: number, real: reservation, model: model.reservation })
    } else expect(real).toEqual(model)
  }

  /** What is held is given back, what was reserved stays counted, and nobody closes it any more. */
  #die(number: number, isLocked: boolean): void {
    if (isLocked) new CounterStore(this.#table, number).lock.acquire()
    releaseThread(this.#table, number)
    for (const pair of this.#pairs) if (pair.thread === number) pair.model.close()
    this.#pairs = this.#pairs.filter((pair) => pair.thread !== number)
    this.#threads[number] = this.#start(number)
  }

  #threadOf(number: number): Opened {
    return pick(this.#threads, number)
  }
}

function pick<T>(all: readonly T[], at: number): T {
  const one = all[at]
  if (one === undefined) throw new Error(`nothing at ${at}`)
  return one
}

test.each(Array.from({ length: TESTS }, (_, i) => i + 1))(
  'F50 F70 F71 F72 threads that reserve, grow, settle late, reset, record and die count as the reference does (%i)',
  () => {
    fc.assert(
      fc.property(fc.array(command, { minLength: 3, maxLength: 24 }), (commands) => {
        const both = new Process()
        for (const next of commands) both.run(next)
        both.compareAll()
      }),
      { numRuns: SEQUENCES / TESTS },
    )
  },
  60_000,
)
