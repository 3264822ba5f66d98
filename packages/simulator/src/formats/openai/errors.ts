import type { CompleteAnswer, Frame } from '../answer.ts'
import type { Problem } from '../wire-format.ts'

/** The request cannot be answered; carries what the client is told. */
export class ProblemError extends Error {
  override readonly name = 'ProblemError'
  readonly problem: Problem

  constructor(problem: Problem) {
    super(problem.message)
    this.problem = problem
  }
}

/** A 400 about one parameter. */
export function badParameter(param: string, code: string | null, message: string): ProblemError {
  return new ProblemError({ status: 400, message, type: 'invalid_request_error', param, code })
}

function defaultType(status: number): string {
  if (status === 401) return 'invalid_request_error'
  if (status === 403) return 'permission_error'
  if (status === 429) return 'requests'
  return status >= 500 ? 'server_error' : 'invalid_request_error'
}

function defaultCode(status: number): string | null {
  if (status === 401) return 'invalid_api_key'
  if (status === 404) return 'not_found'
  return status === 429 ? 'rate_limit_exceeded' : null
}

function errorJson(problem: Problem): string {
  const { status, message, type = defaultType(status), param = null } = problem
  const code = problem.code === undefined ? defaultCode(status) : problem.code
  return JSON.stringify({ error: { message, type, param, code } })
}

export function errorAnswer(problem: Problem): CompleteAnswer {
  return {
    kind: 'complete',
    status: problem.status,
    headers: [['content-type', 'application/json']],
    body: errorJson(problem),
  }
}

export function errorFrame(problem: Problem): Frame {
  return { kind: 'closing', text: `data: ${errorJson(problem)}\n\n` }
}
