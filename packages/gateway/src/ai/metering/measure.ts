import type { PinnedExchange } from '../../pipeline/index.ts'
import type { Dialect } from '../dialects/index.ts'
import {
  estimateUsage,
  NO_USAGE,
  withWritten,
  type Usage,
  type UsageReading,
} from '../usage/index.ts'
import { REQUESTED_CALL } from './model-call.ts'
import { modelInPath, readModel } from './request-model.ts'
import type { Watch } from './watch.ts'

export interface Measured {
  readonly usage: Usage
  /** The provider's figures could not be counts and were replaced by estimates (F32). */
  readonly anomaly: boolean
}

/**
 * What an exchange has used, now or at its end: what the provider said, and where it has not said all of it an estimate.
 *
 * @param watch `undefined` while there is no answer.
 * @param answer what is known of an answer that is no stream of events.
 */
export function measure(
  exchange: PinnedExchange,
  dialect: Dialect,
  watch: Watch | undefined,
  answer: Buffer,
): Measured {
  const reading = readingOf(exchange, dialect, watch, answer)
  if (typeof reading !== 'object') {
    const usage = estimate(exchange, dialect, watch, answer)
    return { usage, anomaly: reading === 'anomaly' }
  }
  // What is said in mid-stream may be the prompt's share only (llm-apis.md §1.4).
  const partial = watch?.kind === 'events' && watch.reader.state === 'open'
  const usage = partial ? withWritten(reading, estimate(exchange, dialect, watch, answer)) : reading
  return { usage, anomaly: false }
}

function readingOf(
  exchange: PinnedExchange,
  dialect: Dialect,
  watch: Watch | undefined,
  answer: Buffer,
): UsageReading {
  if (usedNothing(exchange)) return NO_USAGE
  if (watch?.kind === 'events') return watch.reader.usage
  return watch?.kind === 'passing' && !watch.tail.readable ? undefined : dialect.usageOf(answer)
}

/** A provider that refused, failed before its answer, or was never asked did not work: nothing to count. */
function usedNothing({ record, cancelled }: PinnedExchange): boolean {
  const { upstreamStatus, proxyLatencyMs } = record
  if (upstreamStatus !== undefined) return upstreamStatus >= 400
  return !cancelled || proxyLatencyMs < 0
}

function estimate(
  exchange: PinnedExchange,
  dialect: Dialect,
  watch: Watch | undefined,
  answer: Buffer,
): Usage {
  const promptBytes = exchange.request.body.receivedBytes
  if (watch?.kind === 'events') {
    return estimateUsage(promptBytes, watch.reader.contentBytes, watch.reader.contentEvents)
  }
  const unread = watch?.kind === 'passing' && !watch.tail.readable
  const contentBytes = unread ? watch.tail.totalBytes : dialect.contentBytesOf(answer)
  return estimateUsage(promptBytes, contentBytes, 0)
}

/** The model as the request names it: in its body, else in its path. */
export function requestedModel(exchange: PinnedExchange): string | undefined {
  const { flight, request } = exchange
  // The spend stage has read it, and a stream asks with every chunk.
  const call = flight === undefined ? undefined : exchange.note(REQUESTED_CALL)
  return call === undefined ? (modelInBody(exchange) ?? modelInPath(request.path)) : call.model
}

function modelInBody({ request: { body } }: PinnedExchange): string | undefined {
  // Bodies that were too large to buffer went through unread.
  const bytes = body.completed && body.replayable ? body.bytes(Number.MAX_SAFE_INTEGER) : undefined
  if (bytes === undefined || bytes instanceof Promise) return undefined
  return readModel(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))
}
