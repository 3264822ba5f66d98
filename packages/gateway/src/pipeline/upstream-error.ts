import type { Outcome } from '@pratu/plugin-kit'
import { GatewayError } from '../errors/index.ts'
import type { UpstreamFailure } from '../upstream/index.ts'

/** The failure of an upstream call, as a handler hands it to its sink. */
export class UpstreamError extends GatewayError {
  readonly outcome: Outcome

  constructor(failure: UpstreamFailure) {
    const { code, cause, requestSent, responseBytes } = failure
    super(code, { requestSent, responseBytes }, { cause })
    this.outcome = outcomeOf(code)
  }

  /** What the exchange's log line says of it: the client is told none of this (S23). */
  get loggable(): Readonly<Record<string, unknown>> {
    const { requestSent, responseBytes } = this.detail
    return {
      code: this.code,
      cause: causeText(this.cause),
      request_sent: requestSent,
      response_bytes: responseBytes,
    }
  }
}

function outcomeOf(code: UpstreamFailure['code']): Outcome {
  if (code === 'upstream_truncated') return 'truncated'
  return code.endsWith('timeout') ? 'upstream_timeout' : 'upstream_error'
}

/** An error may wrap another, that one the system's: together they tell what to look for. */
const MAX_CAUSES = 3

function causeText(thrown: unknown): string {
  const messages: string[] = []
  let cause = thrown
  while (cause instanceof Error && messages.length < MAX_CAUSES) {
    messages.push(cause.message)
    ;({ cause } = cause)
  }
  return messages.join(': ')
}
