import type { ByteCollector } from '../../http/index.ts'
import type { StreamReader } from '../dialects/index.ts'
import type { EventScanner } from '../stream/index.ts'
import type { AnswerTail } from './answer-tail.ts'
import type { FlightWatch } from './flight-watch.ts'

/** A stream whose end must be its terminal event. */
export interface EventWatch {
  readonly kind: 'events'
  readonly scanner: EventScanner
  readonly reader: StreamReader
  /** Where a plugin limits what the call may use. */
  readonly flight: FlightWatch | undefined
}

/** A JSON answer, held until it is complete. */
export interface WholeWatch {
  readonly kind: 'whole'
  readonly held: ByteCollector
}

/** Bytes that we cannot or need not read, of which the end is kept for the usage figures. */
export interface PassingWatch {
  readonly kind: 'passing'
  readonly tail: AnswerTail
}

/** How an answer is read as it passes. */
export type Watch = EventWatch | WholeWatch | PassingWatch
