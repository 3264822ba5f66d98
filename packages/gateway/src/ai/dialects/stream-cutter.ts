import type { Usage } from '../usage/index.ts'

/** What the end of a stream has to know of its request. */
export interface CutOptions {
  /** How many answers were asked for. */
  readonly choices: number
  /** Whether the client wants usage in the stream (`stream_options.include_usage`). */
  readonly includeUsage: boolean
}

/**
 * Follows a stream that may have to be ended early, so that its end looks to a client library as if the model had reached
 * its own bound. Only opened where a limit may run out.
 */
export interface StreamCutter {
  /** @param data an event's data lines, before they go on to the client. */
  read(data: Buffer): void
  /** Whether a clean end is possible now: the answer has begun and has not told its own end. */
  readonly ready: boolean
  /** The events that end the stream. */
  end(usage: Usage): string
}

/** A parsed event, or `undefined` for what is no JSON object. */
export function parseEvent(data: Buffer): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(data.toString('utf8'))
    return isRecord(value) ? value : undefined
  } catch {
    return undefined
  }
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
