import { cancelledError } from '../attempt.ts'
import type { AttemptGate } from '../caller.ts'
import type { Clock } from '../clock.ts'
import { PratuError } from '../errors.ts'
import { whole } from '../options.ts'
import { AdaptiveLimit } from './adaptive-limit.ts'
import { BatchGate } from './gate.ts'

export interface BatchOptions {
  /** Requests under way at the same time, 50 by default. */
  readonly concurrency?: number
  /** Lowers the concurrency on 429 and raises it again (AIMD); true by default. */
  readonly adaptive?: boolean
  /** Aborted: what is not answered yet ends with a `CancelledError`; what is, stays. */
  readonly signal?: AbortSignal
  /** Called after every item, and at the start. */
  readonly onProgress?: (progress: BatchProgress) => void
  /** Per item; the client's by default. */
  readonly maxRetries?: number
  /** Per attempt, in milliseconds; the client's by default. */
  readonly timeout?: number
}

export interface BatchProgress {
  /** Items, as far as they are known. */
  readonly total: number
  readonly succeeded: number
  readonly failed: number
  /** Requests on their way at this moment. */
  readonly inFlight: number
  /** How many may be on their way at this moment. */
  readonly limit: number
  readonly retries: number
  /** Answers of 429 so far, those that a retry made good included. */
  readonly rateLimited: number
}

export interface BatchRun<Item, Result> {
  readonly total: number
  readonly items: Iterable<Item> | AsyncIterable<Item>
  readonly work: (item: Item, gate: AttemptGate, signal: AbortSignal) => Promise<Result>
  /** May take its time; an item counts when this has. What it throws ends the batch. */
  readonly onSettled: (item: Item, outcome: BatchOutcome<Result>) => void | Promise<void>
  readonly options: BatchOptions
  readonly clock: Clock
  /** Whether an item's error is every other's as well, so that no more are sent. */
  readonly isFatal?: (error: PratuError) => boolean
}

/** As `Promise.allSettled` has them. */
export type BatchOutcome<Result> =
  | { readonly status: 'fulfilled'; readonly value: Result }
  | { readonly status: 'rejected'; readonly reason: PratuError }

/**
 * Works through items with a bound on how many are under way. A gateway that cannot be reached and a key that is refused
 * end the batch with the first item that has used up its retries: all others would only fail one by one.
 *
 * @returns the error that ended it early, if one did.
 */
export async function runBatch<Item, Result>(
  run: BatchRun<Item, Result>,
): Promise<PratuError | undefined> {
  const { options, clock } = run
  const concurrency = whole('concurrency', options.concurrency ?? 50, 1)
  const gate = new BatchGate(new AdaptiveLimit(concurrency, options.adaptive !== false), clock)
  const stop = new AbortController()
  const signal =
    options.signal === undefined ? stop.signal : AbortSignal.any([options.signal, stop.signal])
  let succeeded = 0
  let failed = 0
  let fatal: PratuError | undefined
  const report = (): void =>
    options.onProgress?.({
      total: run.total,
      succeeded,
      failed,
      inFlight: gate.inFlight,
      limit: gate.limit,
      retries: gate.retries,
      rateLimited: gate.rateLimited,
    })
  const onAbort = (): void => gate.end(fatal ?? cancelledError(options.signal, { attempts: 0 }))
  signal.addEventListener('abort', onAbort)
  if (signal.aborted) onAbort()

  const settle = async (item: Item): Promise<void> => {
    const startedAt = clock.now()
    let outcome: BatchOutcome<Result>
    try {
      if (signal.aborted) throw fatal ?? cancelledError(options.signal, { attempts: 0 })
      outcome = { status: 'fulfilled', value: await run.work(item, gate.forItem(), signal) }
      succeeded++
    } catch (error) {
      if (!(error instanceof PratuError)) throw error
      // An item that was under way when the batch ended failed for the batch's reason.
      const reason = error.kind === 'cancelled' && fatal !== undefined ? fatal : error
      outcome = { status: 'rejected', reason }
      failed++
      if (fatal === undefined && isFatalFor(run, reason, startedAt, gate.lastSuccessAt)) {
        fatal = reason
        stop.abort(reason)
      }
    }
    await run.onSettled(item, outcome)
    report()
  }

  report()
  try {
    await forEach(run.items, concurrency, settle, (reason) => stop.abort(reason))
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
  return fatal
}

function isFatalFor<Item, Result>(
  { isFatal }: BatchRun<Item, Result>,
  error: PratuError,
  startedAt: number,
  lastSuccessAt: number,
): boolean {
  // Somebody was answered while this item failed: the gateway is there.
  if (error.kind === 'connection') return lastSuccessAt < startedAt
  return error.status === 401 || (isFatal?.(error) ?? false)
}

/** Runs `work` over the items, at most `concurrency` at once. The first that throws ends it, when the others are done. */
async function forEach<Item>(
  items: Iterable<Item> | AsyncIterable<Item>,
  concurrency: number,
  work: (item: Item) => Promise<void>,
  onFailure: (reason: unknown) => void,
): Promise<void> {
  const running = new Set<Promise<void>>()
  let failure: { readonly error: unknown } | undefined
  let onFree = (): void => undefined
  for await (const item of items) {
    if (failure !== undefined) break
    const one = work(item)
      .catch((error: unknown) => {
        failure ??= { error }
        onFailure(error)
      })
      .finally(() => {
        running.delete(one)
        onFree()
      })
    running.add(one)
    if (running.size < concurrency) continue
    await new Promise<void>((resolve) => {
      onFree = resolve
    })
  }
  await Promise.all(running)
  if (failure !== undefined) throw failure.error
}
