import type { ErrorCode } from '../errors/index.ts'
import type { UpstreamFailure, UpstreamTarget } from './contract.ts'

/** Failures before any response header: connection errors, timeouts, bad responses (kong.md §2.8). */
const RETRYABLE: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'upstream_unreachable',
  'upstream_connect_timeout',
  'upstream_reset',
  'upstream_timeout',
  'upstream_protocol_error',
])

/** Would only fail again in the same way where it just did; another target may be in order. */
const RETRYABLE_ELSEWHERE: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'upstream_name_resolution',
  'upstream_forbidden_address',
  'upstream_tls_error',
])

/** nginx's list of methods that are not repeated once they may have had an effect. */
const NOT_REPEATED: ReadonlySet<string> = new Set(['POST', 'PATCH', 'LOCK'])

/** Kong's rule for one more try, when tries are left and no response header was seen. A status is never a reason. */
export function mayRetry(
  code: ErrorCode,
  method: string,
  sent: UpstreamFailure['requestSent'],
  targets: readonly UpstreamTarget[],
): boolean {
  const useful = RETRYABLE.has(code) || (RETRYABLE_ELSEWHERE.has(code) && hasChoice(targets))
  return useful && (sent === 'nothing' || !NOT_REPEATED.has(method))
}

function hasChoice(targets: readonly UpstreamTarget[]): boolean {
  let usable = 0
  for (const { weight } of targets) if (weight > 0) usable++
  return usable > 1
}
