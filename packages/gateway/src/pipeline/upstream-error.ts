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
}

function outcomeOf(code: UpstreamFailure['code']): Outcome {
  if (code === 'upstream_truncated') return 'truncated'
  return code.endsWith('timeout') ? 'upstream_timeout' : 'upstream_error'
}
