import type { ErrorCode } from '../errors/index.ts'

/** Why a head is refused: what the client is told, and what was wrong for the log. */
export interface HeadRefusal {
  readonly code: ErrorCode
  readonly reason: string
}

export function refuseHead(code: ErrorCode, reason: string): HeadRefusal {
  return { code, reason }
}
