import type { RedisScript } from '../redis/index.ts'
import { RELEASE, RENEW } from './redis-scripts.ts'
import type { RemoteMeter } from './remote-meter.ts'
import type { ScriptRunner } from './script-runner.ts'

/** Leases in one script call. */
const MAX_BATCH = 500
/** Renewals within the time that a lease lasts: two may fail before it expires. */
const BEATS = 3
const LONGEST_BEAT_MS = 10_000

/** What is held under one key. */
interface Held {
  readonly key: string
  leaseMs: number
  readonly numbers: Set<number>
}

interface Released {
  readonly key: string
  readonly number: number
  /** After that it has expired by itself. Monotonic ms. */
  readonly untilMs: number
}

export interface LeasesOptions {
  readonly connection: ScriptRunner
  /** Unlike any other process's and worker's, and never used again. */
  readonly holder: string
  /** Monotonic. */
  readonly nowMs: () => number
}

/**
 * Everything that is held through one connection. Every unit held is one lease with a number of its own, so that taking,
 * renewing and releasing it may be repeated, may overtake each other and may get lost: at worst a unit stays taken until
 * its lease expires.
 */
export class Leases {
  readonly holder: string
  readonly #connection: ScriptRunner
  readonly #nowMs: () => number
  readonly #held = new Map<string, Held>()
  #released: Released[] = []
  #next = 1
  #flushing: NodeJS.Immediate | undefined
  #timer: NodeJS.Timeout | undefined
  #beatMs = Number.POSITIVE_INFINITY
  #underWay = 0

  constructor({ connection, holder, nowMs }: LeasesOptions) {
    this.holder = holder
    this.#connection = connection
    this.#nowMs = nowMs
    // What expired while Redis was away, or was lost with its memory, is taken again at once.
    connection.onUp(() => this.#beat())
  }

  /** @returns the first of `count` numbers. */
  number(count: number): number {
    const first = this.#next
    this.#next += count
    return first
  }

  /** From now on these are renewed, and taken where they were not. */
  hold(meter: RemoteMeter, scope: string, first: number, count: number): void {
    const { window } = meter.definition
    if (window.kind !== 'concurrency') return
    const key = meter.keyOf(scope)
    let held = this.#held.get(key)
    if (held === undefined) {
      held = { key, leaseMs: window.leaseMs, numbers: new Set() }
      this.#held.set(key, held)
    }
    held.leaseMs = window.leaseMs
    for (let i = 0; i < count; i++) held.numbers.add(first + i)
    this.#beatFor(window.leaseMs)
  }

  /** Free for others as soon as Redis hears of it, in this turn of the event loop if it is there. */
  release(meter: RemoteMeter, scope: string, first: number, count: number): void {
    const { window } = meter.definition
    if (window.kind !== 'concurrency') return
    const key = meter.keyOf(scope)
    const held = this.#held.get(key)
    const untilMs = this.#nowMs() + window.leaseMs
    for (let number = first; number < first + count; number++) {
      held?.numbers.delete(number)
      this.#released.push({ key, number, untilMs })
    }
    if (held?.numbers.size === 0) this.#held.delete(key)
    this.#flushing ??= setImmediate(() => this.#flush())
    this.#beatFor(window.leaseMs)
  }

  /** Whether Redis knows of everything that was released. */
  get settled(): boolean {
    return this.#released.length === 0 && this.#underWay === 0
  }

  stop(): void {
    clearInterval(this.#timer)
    clearImmediate(this.#flushing)
    this.#held.clear()
    this.#released = []
  }

  #beatFor(leaseMs: number): void {
    const ms = Math.min(leaseMs / BEATS, LONGEST_BEAT_MS)
    if (this.#timer !== undefined && this.#beatMs <= ms) return
    clearInterval(this.#timer)
    this.#beatMs = ms
    this.#timer = setInterval(() => this.#beat(), ms)
    this.#timer.unref()
  }

  #beat(): void {
    if (this.#held.size === 0 && this.#released.length === 0) {
      clearInterval(this.#timer)
      this.#timer = undefined
      return
    }
    if (!this.#connection.isUp) return
    const renewals: Entry[] = []
    for (const { key, leaseMs, numbers } of this.#held.values()) {
      for (const number of numbers) renewals.push({ key, leaseMs, number })
    }
    // A renewal that fails is not repeated before the next beat.
    for (const batch of this.#batches(renewals)) void this.#send(RENEW, batch)
    this.#flush()
  }

  #flush(): void {
    this.#flushing = undefined
    const nowMs = this.#nowMs()
    const waiting = this.#released.filter(({ untilMs }) => untilMs > nowMs)
    if (!this.#connection.isUp) {
      this.#released = waiting
      return
    }
    this.#released = []
    const entries = waiting.map((released) => ({ ...released, leaseMs: 0 }))
    for (const batch of this.#batches(entries)) void this.#releaseBatch(batch)
  }

  async #releaseBatch(batch: readonly (Entry & Released)[]): Promise<void> {
    if (await this.#send(RELEASE, batch)) return
    this.#released.push(...batch)
  }

  *#batches<Some extends Entry>(entries: readonly Some[]): Generator<readonly Some[]> {
    const slots = this.#connection.isCluster
      ? Map.groupBy(entries, ({ key }) => key).values()
      : [entries]
    for (const slot of slots) {
      for (let at = 0; at < slot.length; at += MAX_BATCH) yield slot.slice(at, at + MAX_BATCH)
    }
  }

  async #send(script: RedisScript, batch: readonly Entry[]): Promise<boolean> {
    const byKey = Map.groupBy(batch, ({ key }) => key)
    const leases = [...byKey.values()].map((entries) => [
      entries[0]?.leaseMs ?? 0,
      ...entries.map(({ number }) => number),
    ])
    this.#underWay += 1
    try {
      const question = JSON.stringify({ h: this.holder, l: leases })
      await this.#connection.evaluate(script, [...byKey.keys()], [question])
      return true
    } catch {
      // The connection tells the log that Redis is away; when it is back the next beat repeats it.
      return false
    } finally {
      this.#underWay -= 1
    }
  }
}

interface Entry {
  readonly key: string
  readonly leaseMs: number
  readonly number: number
}
