import type { UsageFault } from '../formats/wire-format.ts'
import type { LatencySpec } from '../latency/latency.ts'
import type { HeaderPair } from '../wire/request-head.ts'

/**
 * A place in an answer. `in-headers:N` comes after N bytes of the head (F38: one byte came back), `after-tokens:N` after
 * N tokens of a stream, `after-bytes:N` after N bytes of the body before chunk framing, `half` in the middle of the body,
 * `before-terminal` before the event that says that nothing is missing. A complete answer has neither tokens nor a
 * terminal event: there, both mean `half`.
 */
export type BreakPoint =
  | 'before-headers'
  | `in-headers:${number}`
  | 'after-headers'
  | 'half'
  | 'before-terminal'
  | `after-tokens:${number}`
  | `after-bytes:${number}`

/** Whether the place comes before the whole head is written. */
export function isBeforeBody(point: BreakPoint): boolean {
  return point === 'before-headers' || point.startsWith('in-headers:')
}

/** `reset` RST; `close` FIN, framing left unfinished; `end` framing ended in order; `hang` silence until the client goes; `error` an error event, then `end`. */
export type BreakKind = 'reset' | 'close' | 'end' | 'hang' | 'error'

export const ENCODINGS = ['gzip', 'br', 'deflate', 'zstd'] as const
export type Encoding = (typeof ENCODINGS)[number]

export const STREAM_QUIRKS = [
  'crlf',
  'cr',
  'mixed',
  'bom',
  'comments',
  'multi-data',
  'no-space',
  'fields',
  'done-twice',
] as const
/**
 * Unusual but legal event stream framing: line ends, a byte order mark, comments, data over several lines, no space
 * after the colon, `event`/`id`/`retry` and unknown fields, the terminal event twice.
 */
export type StreamQuirk = (typeof STREAM_QUIRKS)[number]

export const MALFORMED_EVENTS = ['json', 'utf8', 'not-an-event', 'unterminated'] as const
/** `json`: cut JSON; `utf8`: invalid bytes; `not-an-event`: lines without a colon; `unterminated`: the last event lacks its blank line. */
export type MalformedEvent = (typeof MALFORMED_EVENTS)[number]

export const BAD_HEADERS = [
  'nul',
  'cr',
  'lf',
  'obs-fold',
  'no-colon',
  'space',
  'empty-name',
] as const
export type BadHeader = (typeof BAD_HEADERS)[number]

export const FRAMINGS = ['length', 'chunked', 'close'] as const
export const USAGE_FAULTS = [
  'missing',
  'null',
  'negative',
  'string',
  'huge',
  'after-done',
] as const satisfies readonly UsageFault[]
export const BREAK_KINDS = [
  'reset',
  'close',
  'end',
  'hang',
  'error',
] as const satisfies readonly BreakKind[]

/** What goes wrong with one answer. Everything is optional and combines; `{}` is a good answer. */
export interface Fault {
  /** Instead of the answer's own status; from 400 up the body becomes an error of the wire format. */
  readonly status?: number | undefined
  /** Written after the answer's own fields, as they are, doubled names included. */
  readonly headers?: readonly HeaderPair[] | undefined
  /** Instead of the answer's body (a stream becomes a complete answer). */
  readonly body?: string | undefined
  readonly contentType?: string | undefined
  /** The body is cut in the middle and sent with the right length. */
  readonly invalidJson?: boolean | undefined
  readonly usage?: UsageFault | undefined

  /** Answer as soon as the head is there, the body unread. */
  readonly early?: boolean | undefined
  /** Read the head, and the body only after so long; `Infinity` = never, and then there is no answer. */
  readonly noReadMs?: number | undefined
  /** Before anything is written, in addition to the latency. */
  readonly delayMs?: number | undefined
  /** Instead of the simulator's. */
  readonly latency?: LatencySpec | undefined
  /** Instead of the simulator's. */
  readonly tokensPerSecond?: number | undefined
  /** Silence in the middle, after which the answer goes on. */
  readonly pause?: { readonly at: BreakPoint; readonly forMs: number } | undefined
  /** Where and how the answer breaks off. */
  readonly break?: { readonly at: BreakPoint; readonly how: BreakKind } | undefined
  /** The error told by `error`. */
  readonly error?: { readonly code: string; readonly message: string } | undefined

  /** `close`: announced and done; `silent`: FIN after the answer without a word. */
  readonly connection?: 'close' | 'silent' | undefined
  /** The connection stays open, and closes when the next request arrives on it, unanswered (F39). */
  readonly closeOnReuse?: 'reset' | 'fin' | undefined
  /** The connection closes after so long without a request. */
  readonly idleCloseMs?: number | undefined

  /** Instead of the status line. */
  readonly statusLine?: string | undefined
  /** The whole answer, base64 of the bytes; then FIN. Nothing else of the answer is sent. */
  readonly raw?: string | undefined
  readonly framing?: (typeof FRAMINGS)[number] | undefined
  /** What `content-length` says: a number, or a difference such as `+10`. */
  readonly declaredLength?: string | undefined
  /** Written after the answer on the same connection (default: a second, complete response). */
  readonly extraBytes?: string | undefined
  readonly informational?: { readonly status: number; readonly count: number } | undefined
  /** One field of so many bytes. */
  readonly headerBytes?: number | undefined
  /** So many fields. */
  readonly headerCount?: number | undefined
  readonly badHeader?: BadHeader | undefined
  /** Bytes a write. */
  readonly segmentBytes?: number | undefined
  /** Between two segments. */
  readonly segmentMs?: number | undefined

  /** Applied in this order, without being asked for. */
  readonly encoding?: readonly Encoding[] | undefined
  /** The encoded bytes are cut in the middle; HTTP framing stays in order. */
  readonly encodingTruncated?: boolean | undefined
  /** The decoded body grows to so many bytes of padding. */
  readonly bombBytes?: number | undefined
  /** The body grows to so many bytes, sent as fast as they are taken. */
  readonly sizeBytes?: number | undefined
  /** After its head the answer goes on for ever at so many bytes a second. */
  readonly endless?:
    | { readonly bytesPerSecond: number; readonly forMs: number | undefined }
    | undefined

  readonly stream?: readonly StreamQuirk[] | undefined
  readonly malformedEvent?: MalformedEvent | undefined
  /** An event of so many bytes after the first token. */
  readonly hugeEventBytes?: number | undefined
  /** So many bytes without a line end after the first token. */
  readonly unterminatedBytes?: number | undefined

  /** Applies to the first attempts with the same nonce (else the same body) only; later ones get a good answer. */
  readonly attempts?: number | undefined
}
