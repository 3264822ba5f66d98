import type { HeaderPair } from '../wire/request-head.ts'
import type { Answer, CompleteAnswer, Frame } from './answer.ts'

/** What a fault does to the token counts of an answer (F32). */
export type UsageFault = 'missing' | 'null' | 'negative' | 'string' | 'huge' | 'after-done'

/** A request as a wire format sees it. */
export interface FormatRequest {
  readonly method: string
  readonly path: string
  readonly headers: readonly HeaderPair[]
  /** The JSON body; `undefined` when there is none or it is not JSON. */
  readonly json: unknown
  /** Why the body could not be read as JSON. */
  readonly bodyProblem: string | undefined
}

/** What an answer depends on beside the request. */
export interface AnswerContext {
  /** Ordinal of the request: names ids. */
  readonly index: number
  readonly seed: number
  /** What the client wants echoed, from the header `x-simulator-nonce`. */
  readonly nonce: string | undefined
  /** Length of an answer that nothing else decides: both ends included. */
  readonly completionTokens: { readonly min: number; readonly max: number }
  readonly models: readonly string[]
  /** Whether a model outside `models` is an error. */
  readonly strictModels: boolean
  /** Accepted keys; empty = none is asked for. */
  readonly apiKeys: readonly string[]
  readonly usageFault: UsageFault | undefined
}

/** What the fields of an answer depend on. */
export interface FieldContext {
  readonly index: number
  readonly seed: number
  /** How long the answer, or its first token, was made to take. */
  readonly latencyMs: number
}

/** A problem in the terms that every provider has in some shape. */
export interface Problem {
  readonly status: number
  readonly message: string
  readonly type?: string
  readonly code?: string | null
  readonly param?: string | null
}

/** One provider's way of speaking. Pure functions over data: time, faults and sockets are somebody else's business. */
export interface WireFormat {
  readonly name: string
  /** Whether requests to this path are this format's. */
  owns(path: string): boolean
  /** The model asked for, for rules that match on it. */
  model(request: FormatRequest): string | undefined
  answer(request: FormatRequest, context: AnswerContext): Answer
  /** An error in this format's own shape. */
  error(problem: Problem): CompleteAnswer
  /** Fields that this provider sends with every answer, good or bad. */
  fields(context: FieldContext): readonly HeaderPair[]
  /** The event that tells of an error inside a stream. */
  errorFrame(problem: Problem): Frame
  /** A well-formed event with about so many bytes of text, for floods. */
  paddingFrame(bytes: number): Frame
}
