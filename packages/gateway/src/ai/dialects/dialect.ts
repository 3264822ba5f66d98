import type { ErrorShape } from '@pratu/plugin-kit'
import type { AiFormat } from '../../config/index.ts'
import type { UsageReading } from '../usage/index.ts'
import type { CutOptions, StreamCutter } from './stream-cutter.ts'

/** What clients speak: one wire format, as far as metering and honest endings need it. Pure functions over bytes. */
export interface Dialect {
  readonly format: AiFormat
  /** The shape in which this format's client libraries read errors. */
  readonly errorShape: Exclude<ErrorShape, 'kong' | 'kong+openai'>
  /** Whether a JSON array is a stream of answers, which must not be held back. */
  readonly arrayIsStream?: boolean
  /** The model as the provider names it, in a complete answer or in the first event of a stream. */
  modelOf(answerOrEvent: Buffer): string | undefined
  /** Usage of a complete, unstreamed answer. */
  usageOf(answer: Buffer): UsageReading
  /** Bytes of generated text in a complete answer, for estimates. */
  contentBytesOf(answer: Buffer): number
  /** A reader for one stream of events. */
  openStream(): StreamReader
  /** What can end a stream early and cleanly. */
  openCutter(options: CutOptions): StreamCutter
  /** The event that tells a client that its stream broke; its library throws on it. */
  errorEvent(error: StreamError): string
}

export interface StreamError {
  readonly status: number
  readonly code: string
  readonly message: string
}

/** Follows one stream to its terminal event. */
export interface StreamReader {
  /** @param data an event's data lines. */
  read(data: Buffer): void
  /** `complete` after the format's terminal event, `failed` after an error event of the provider. */
  readonly state: 'open' | 'complete' | 'failed'
  /** The last usage seen. */
  readonly usage: UsageReading
  /** Events that carried generated text, and that text's bytes. */
  readonly contentEvents: number
  readonly contentBytes: number
}
