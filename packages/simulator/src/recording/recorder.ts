import type { RequestRecord, RecordedRequest } from './recorded-request.ts'

export interface RecorderLimits {
  /** Requests kept; the oldest goes first. 0 records nothing. */
  readonly maxRequests: number
  /** Bytes of heads and bodies kept; the newest request is always kept whole. */
  readonly maxBytes: number
}

/** What a waiter gets to see of a request: `complete` = its body is there (or will never be), `head` = only the head. */
export type WaitFor = 'complete' | 'head'

export interface WaitOptions {
  /** Default `complete`. */
  readonly until?: WaitFor
  /** Default 10,000. */
  readonly timeoutMs?: number
}

interface Waiter {
  readonly until: WaitFor
  readonly predicate: (request: RecordedRequest) => boolean
  readonly resolve: (request: RecordedRequest) => void
}

const DEFAULT_TIMEOUT_MS = 10_000

/** Keeps what arrived, within limits, and wakes those who wait for it. */
export class Recorder {
  readonly #limits: RecorderLimits
  readonly #requests: RequestRecord[] = []
  readonly #charged = new WeakMap<RequestRecord, number>()
  readonly #waiters = new Set<Waiter>()
  #bytes = 0

  constructor(limits: RecorderLimits) {
    this.#limits = limits
  }

  get requests(): readonly RecordedRequest[] {
    return this.#requests
  }

  get enabled(): boolean {
    return this.#limits.maxRequests > 0
  }

  /** A head is complete. */
  add(record: RequestRecord): void {
    record.add('head')
    this.#requests.push(record)
    this.#charge(record, 0)
    if (this.#waiters.size > 0) this.#wake(record, 'head')
  }

  /** The body is complete, or the connection is closed. */
  update(record: RequestRecord): void {
    const charged = this.#charged.get(record)
    // Forgotten meanwhile: nobody waits for what was before `clear()`.
    if (charged === undefined) return
    this.#charge(record, charged)
    if (this.#waiters.size > 0) this.#wake(record, 'complete')
  }

  /**
   * @returns the first recorded request that `predicate` accepts, now or later.
   * @throws {Error} when none came in time (the message lists what did), or when recording is off.
   */
  wait(
    predicate: (request: RecordedRequest) => boolean,
    options: WaitOptions = {},
  ): Promise<RecordedRequest> {
    if (!this.enabled)
      return Promise.reject(new Error('recording is off, so there is nothing to wait for'))
    const until = options.until ?? 'complete'
    const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS
    const known = this.#requests.find((request) => isVisible(request, until) && predicate(request))
    if (known !== undefined) return Promise.resolve(known)
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiters.delete(waiter)
        const seen = this.#requests
          .map((request) => `${request.method} ${request.target}`)
          .slice(-10)
        const list = seen.length === 0 ? 'none at all' : seen.join(', ')
        reject(
          new Error(`no matching request within ${timeoutMs} ms; the last recorded ones: ${list}`),
        )
      }, timeoutMs)
      const waiter: Waiter = {
        until,
        predicate,
        resolve: (request) => {
          clearTimeout(timer)
          resolve(request)
        },
      }
      this.#waiters.add(waiter)
    })
  }

  clear(): void {
    for (const record of this.#requests) this.#charged.delete(record)
    this.#requests.length = 0
    this.#bytes = 0
  }

  #wake(record: RequestRecord, stage: WaitFor): void {
    for (const waiter of this.#waiters) {
      if (stage === 'head' && waiter.until !== 'head') continue
      if (!waiter.predicate(record)) continue
      this.#waiters.delete(waiter)
      waiter.resolve(record)
    }
  }

  #charge(record: RequestRecord, charged: number): void {
    const held = record.heldBytes
    this.#bytes += held - charged
    this.#charged.set(record, held)
    const { maxRequests, maxBytes } = this.#limits
    while (
      this.#requests.length > maxRequests ||
      (this.#bytes > maxBytes && this.#requests.length > 1)
    ) {
      const oldest = this.#requests.shift()
      if (oldest === undefined) return
      this.#bytes -= this.#charged.get(oldest) ?? 0
      this.#charged.delete(oldest)
    }
  }
}

function isVisible(request: RecordedRequest, until: WaitFor): boolean {
  return (
    until === 'head' ||
    request.complete ||
    request.closing !== undefined ||
    request.malformed !== undefined
  )
}
