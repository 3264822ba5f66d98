import type { HeaderPair } from '../wire/request-head.ts'

/** An answer that is known as a whole. */
export interface CompleteAnswer {
  readonly kind: 'complete'
  readonly status: number
  /** Without framing fields, which the delivery adds. */
  readonly headers: readonly HeaderPair[]
  readonly body: string | Buffer
}

/**
 * One event of a stream.
 * - `opening`: sent with the first token; `token`: carries one token and is paced; `closing`: the finish reason;
 *   `usage`: the usage event; `terminal`: what tells the client that nothing is missing.
 */
export interface Frame {
  readonly kind: 'opening' | 'token' | 'closing' | 'usage' | 'terminal'
  readonly text: string
}

/** An answer that comes event by event. */
export interface StreamAnswer {
  readonly kind: 'stream'
  readonly status: number
  readonly headers: readonly HeaderPair[]
  readonly frames: Iterator<Frame, void>
}

export type Answer = CompleteAnswer | StreamAnswer
