import { RedisUnavailable } from '../redis/index.ts'
import { SETTLE } from './redis-scripts.ts'
import type { RedisTime } from './redis-time.ts'
import type { RemoteMeter } from './remote-meter.ts'
import type { ScriptRunner } from './script-runner.ts'

/** Changes in one script call: a few ms of Redis's time at most. */
const MAX_BATCH = 500
/** What waits for Redis may take so much memory, some 50,000 changes. */
const MAX_WAITING_BYTES = 8 * 1024 * 1024
/** Of a change, beside its key. */
const CHANGE_BYTES = 120
/** A batch that Redis does not want is tried so often, so long apart. */
const MAX_REFUSALS = 5
const AGAIN_MS = 500
/** How long Redis remembers the last settlement of a sender. */
const REMEMBERED_MS = 24 * 60 * 60 * 1_000

/** What was taken, as `DECIDE` tells of it. */
export interface TakenAmount {
  readonly meter: RemoteMeter
  readonly scope: string
  readonly amount: number
  readonly mark: number
}

interface Change {
  readonly meter: RemoteMeter
  readonly key: string
  readonly amount: number
  /** A correction's mark, or when it was used, epoch ms. */
  readonly at: number
  /** Of a correction. */
  readonly taken: number | undefined
  readonly bytes: number
  readonly done: ((error?: Error) => void) | undefined
}

/** One after the other, so that a settlement's number tells all that came before. */
interface Lane {
  readonly slot: string
  number: number
  refusals: number
  waiting: Change[]
  sending: readonly Change[]
  busy: boolean
}

export interface CorrectionsOptions {
  readonly connection: Pick<ScriptRunner, 'isUp' | 'isCluster' | 'evaluate'>
  /** Unlike any other process's and worker's, and never used again. */
  readonly sender: string
  readonly time: RedisTime
  /** Whether what Redis has forgotten is counted again from elsewhere. */
  readonly isReplayed: () => boolean
}

/**
 * Corrects counters after the fact, off every request's path, many at a time, each exactly once: every batch has a
 * number, and Redis remembers the last one of each sender. What was not answered is sent again when Redis is back; of
 * requests nothing is kept until then, since a window of requests is soon over.
 */
export class Corrections {
  readonly #options: CorrectionsOptions
  readonly #lanes = new Map<string, Lane>()
  #numbers = 0
  #waitingBytes = 0
  #lost = 0
  #scheduled: NodeJS.Immediate | undefined
  #timer: NodeJS.Timeout | undefined
  #stopped = false
  /** After Redis was away: it may have lost its memory. */
  #held = false

  constructor(options: CorrectionsOptions) {
    this.#options = options
  }

  /** Adds to what was taken, or, negative, gives back, if its window is still the one it was taken from. */
  correct({ meter, scope, amount, mark }: TakenAmount, difference: number): void {
    if (difference === 0) return
    const { isUp } = this.#options.connection
    if (!isUp && meter.definition.quantity === 'requests') return
    this.#add(meter, scope, difference, mark, amount, undefined)
  }

  /** Counts what was used without Redis. */
  recordLater(meter: RemoteMeter, scope: string, amount: number, atMs: number): void {
    this.#add(meter, scope, amount, atMs, undefined, undefined)
  }

  /** Resolves when it is counted. @throws {RedisUnavailable} when too much waits for Redis. */
  record(meter: RemoteMeter, scope: string, amount: number, atMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#add(meter, scope, amount, atMs, undefined, (error) =>
        error === undefined ? resolve() : reject(error),
      )
    })
  }

  /** Redis is there, and known to remember, or `reborn` was called. */
  resume(): void {
    if (!this.#held) return
    this.#held = false
    this.#sendAll()
  }

  /**
   * Redis has lost its memory: what was taken from it is gone. What was used counts there anew, unless somebody else counts
   * it again.
   */
  reborn(): void {
    for (const lane of this.#lanes.values()) {
      const told = lane.busy ? lane.waiting : [...lane.sending, ...lane.waiting]
      if (!lane.busy) lane.sending = []
      const lost = told.filter(({ done }) => done === undefined)
      lane.waiting = told.filter(({ done }) => done !== undefined)
      this.#finish(lost, undefined)
      if (this.#options.isReplayed()) continue
      for (const change of lost) {
        const { meter, amount, taken, at } = change
        if (meter.definition.quantity === 'requests') continue
        const usedAtMs = taken === undefined ? at : this.#options.time.now()
        const used = amount + (taken ?? 0)
        if (used > 0) this.#push({ ...change, amount: used, at: usedAtMs, taken: undefined })
      }
    }
  }

  get settled(): boolean {
    return this.#waitingBytes === 0
  }

  get waitingBytes(): number {
    return this.#waitingBytes
  }

  /** Corrections given up since the start: too many waited, or Redis refused them. */
  get lost(): number {
    return this.#lost
  }

  stop(): void {
    this.#stopped = true
    clearImmediate(this.#scheduled)
    clearTimeout(this.#timer)
    for (const lane of this.#lanes.values()) this.#giveUp([...lane.sending, ...lane.waiting])
    this.#lanes.clear()
  }

  #add(
    meter: RemoteMeter,
    scope: string,
    amount: number,
    at: number,
    taken: number | undefined,
    done: Change['done'],
  ): void {
    const key = meter.keyOf(scope)
    const bytes = CHANGE_BYTES + 2 * key.length
    this.#push({ meter, key, amount, at, taken, bytes, done })
  }

  #push(change: Change): void {
    const { key } = change
    this.#waitingBytes += change.bytes
    if (this.#stopped || this.#waitingBytes > MAX_WAITING_BYTES) {
      this.#giveUp([change])
      return
    }
    const slot = this.#options.connection.isCluster ? key : ''
    let lane = this.#lanes.get(slot)
    if (lane === undefined) {
      lane = { slot, number: 0, refusals: 0, waiting: [], sending: [], busy: false }
      this.#lanes.set(slot, lane)
    }
    lane.waiting.push(change)
    this.#scheduled ??= setImmediate(() => this.#sendAll())
  }

  #sendAll(): void {
    this.#scheduled = undefined
    this.#held ||= !this.#options.connection.isUp
    if (this.#held) return
    for (const lane of this.#lanes.values()) if (!lane.busy) void this.#send(lane)
  }

  async #send(lane: Lane): Promise<void> {
    lane.busy = true
    try {
      for (;;) {
        if (lane.sending.length === 0) {
          if (lane.waiting.length === 0) break
          lane.sending = lane.waiting.splice(0, MAX_BATCH)
          // Numbers grow over all lanes: one that is made anew must not begin again.
          lane.number = this.#numbers += 1
        }
        // It was another day in some time zone than was thought: now Redis's time is known.
        if (!(await this.#settle(lane)) && !(await this.#settle(lane))) {
          throw new Error("Redis's clock jumps")
        }
        this.#finish(lane.sending, undefined)
        lane.sending = []
        lane.refusals = 0
      }
      this.#lanes.delete(lane.slot)
    } catch (error) {
      this.#failed(lane, error)
    } finally {
      lane.busy = false
    }
  }

  /** @returns whether the boundaries of time zones were right. */
  async #settle({ slot, number, sending }: Lane): Promise<boolean> {
    const { connection, sender, time } = this.#options
    const tag = /\{[^}]*\}/.exec(slot)?.[0] ?? ''
    const keys = [`pratu:settled:${tag}${sender}`]
    const keyNumbers = new Map<string, number>()
    const meters: RemoteMeter[] = []
    const meterNumbers = new Map<RemoteMeter, number>()
    const changes = sending.map(({ meter, key, amount, at, taken }) => {
      let keyNumber = keyNumbers.get(key)
      if (keyNumber === undefined) keyNumbers.set(key, (keyNumber = keys.push(key)))
      let meterNumber = meterNumbers.get(meter)
      if (meterNumber === undefined) meterNumbers.set(meter, (meterNumber = meters.push(meter)))
      return taken === undefined
        ? [keyNumber, meterNumber, amount, at]
        : [keyNumber, meterNumber, amount, at, taken]
    })
    const question = JSON.stringify({
      m: meters.map((meter) => meter.forScript(time.now())),
      c: changes,
    })
    const answer = await connection.evaluate(SETTLE, keys, [question, number, REMEMBERED_MS])
    if (!Array.isArray(answer)) throw new TypeError('Redis answered a script with something else')
    time.heard(Number(answer[1]))
    return answer[0] === 1
  }

  /** The connection tells the log why. What may have been carried out is sent again under its number. */
  #failed(lane: Lane, error: unknown): void {
    if (this.#stopped) return
    const { connection } = this.#options
    if (connection.isUp) {
      if (isRefusal(error)) lane.refusals += 1
      if (lane.refusals >= MAX_REFUSALS) {
        this.#giveUp(lane.sending)
        lane.sending = []
        lane.refusals = 0
      }
      this.#timer ??= setTimeout(() => {
        this.#timer = undefined
        this.#sendAll()
      }, AGAIN_MS)
      this.#timer.unref()
      return
    }
    this.#held = true
    const isKept = ({ meter, done }: Change): boolean =>
      done !== undefined || meter.definition.quantity !== 'requests'
    this.#finish(
      lane.sending.filter((change) => !isKept(change)),
      undefined,
    )
    this.#finish(
      lane.waiting.filter((change) => !isKept(change)),
      undefined,
    )
    lane.sending = lane.sending.filter(isKept)
    lane.waiting = lane.waiting.filter(isKept)
    if (lane.sending.length === 0 && lane.waiting.length === 0) this.#lanes.delete(lane.slot)
  }

  #giveUp(changes: readonly Change[]): void {
    if (changes.length === 0) return
    this.#lost += changes.length
    this.#finish(changes, new RedisUnavailable('too much waits for Redis'))
  }

  #finish(changes: readonly Change[], error: Error | undefined): void {
    for (const { bytes, done } of changes) {
      this.#waitingBytes -= bytes
      done?.(error)
    }
  }
}

/** Errors of a server (or of a part of a cluster) that will take what is sent again later. */
const PASSING = /READONLY|OOM|LOADING|CLUSTERDOWN|MASTERDOWN|TRYAGAIN|MISCONF|NOREPLICAS|BUSY/

/** Whether it would not be wanted later either. */
function isRefusal(error: unknown): boolean {
  const cause = error instanceof RedisUnavailable ? error.cause : error
  if (!(cause instanceof Error)) return false
  return cause.name === 'ReplyError' ? !PASSING.test(cause.message) : cause instanceof TypeError
}
