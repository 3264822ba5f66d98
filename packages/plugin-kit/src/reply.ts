/** An error that a plugin wants told: rendered in the exchange's error shape. */
export interface RefusalReply {
  readonly kind: 'refusal'
  readonly status: number
  /** Stable, for programs: `invalid_api_key`, `rate_limit_exceeded`, … */
  readonly code: string
  readonly message: string
  readonly headers?: Readonly<Record<string, string>>
}

/** A complete response, sent as it is. */
export interface AnswerReply {
  readonly kind: 'answer'
  readonly status: number
  readonly headers: Readonly<Record<string, string | readonly string[]>>
  readonly body: Uint8Array
  /** Whether it counts as the service's answer (a cache hit) or the gateway's own (Kong's `source`). */
  readonly source?: 'service' | 'kong'
}

/** What a plugin answers instead of letting the request pass. */
export type Reply = RefusalReply | AnswerReply

export function refuse(
  status: number,
  code: string,
  message: string,
  headers?: Readonly<Record<string, string>>,
): RefusalReply {
  return headers === undefined
    ? { kind: 'refusal', status, code, message }
    : { kind: 'refusal', status, code, message, headers }
}
