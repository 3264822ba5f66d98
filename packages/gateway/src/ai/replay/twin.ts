import type { JsonObject } from './json-object.ts'
import type { StreamEvent } from './events.ts'

/**
 * The two forms of one answer: an object, and the events of a stream. Both ways lose nothing that a client library shows;
 * what cannot be told in the other form is not converted at all.
 */
export interface AnswerTwin {
  /**
   * Puts an answer together from a complete stream.
   *
   * @returns `undefined` when the stream is not complete, or says what the object could not.
   */
  assemble(events: readonly StreamEvent[]): JsonObject | undefined
  /**
   * Tells an answer as a stream.
   *
   * @param withUsage whether the caller asked to be told; without a say where the format always does.
   * @returns `undefined` when it says what a stream could not.
   */
  narrate(answer: JsonObject, withUsage: boolean): string | undefined
  /** Whether this is a complete answer, and no error that came with status 200 (F75). */
  isComplete(answer: JsonObject): boolean
  /**
   * Takes out what only callers who asked for it get.
   *
   * @returns the text itself where there is nothing to take out.
   */
  readonly withoutUsage?: (text: string) => string
}
