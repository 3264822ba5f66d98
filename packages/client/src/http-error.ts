import {
  AuthError,
  BudgetError,
  RateLimitError,
  RequestError,
  UpstreamError,
  type ErrorFacts,
  type PratuError,
} from './errors.ts'
import { fieldOf, isRecord, textOf } from './json.ts'

/** Codes that mean spent money, whatever their status: waiting a moment does not help. */
const SPENT: ReadonlySet<string> = new Set([
  'budget_exceeded',
  'insufficient_quota',
  'billing_hard_limit_reached',
])

/** What an error body says, in OpenAI's shape, Kong's, or not at all. */
export interface ToldError {
  readonly message: string | undefined
  readonly code: string | undefined
}

export function toldError(body: unknown): ToldError {
  const error = fieldOf(body, 'error')
  if (isRecord(error)) {
    return {
      message: textOf(error, 'message') ?? textOf(body, 'message'),
      code: textOf(error, 'code') ?? textOf(error, 'type'),
    }
  }
  return {
    message: textOf(body, 'message') ?? (typeof error === 'string' ? error : undefined),
    code: textOf(body, 'code'),
  }
}

export interface HttpFailure extends Omit<ErrorFacts, 'code' | 'retryable'> {
  readonly status: number
  /** The body, parsed if it was JSON. */
  readonly body: unknown
  readonly text: string
  /** `x-should-retry`, which decides before the status does. */
  readonly shouldRetry: string | undefined
}

/** The typed error of an answer that is none. */
export function httpError({ body, text, shouldRetry, ...facts }: HttpFailure): PratuError {
  const { status } = facts
  const told = toldError(body)
  const spent = status === 402 || (told.code !== undefined && SPENT.has(told.code))
  const retryable =
    shouldRetry === 'true' ||
    (shouldRetry !== 'false' &&
      !spent &&
      (status === 408 || status === 409 || status === 429 || status >= 500))
  const message = `${status} ${told.message ?? excerpt(text)}`.trim()
  const all = { ...facts, code: told.code, retryable }
  if (spent) return new BudgetError(message, all)
  if (status === 429) return new RateLimitError(message, all)
  if (status === 401 || status === 403) return new AuthError(message, all)
  if (status >= 400 && status < 500 && status !== 408 && status !== 409)
    return new RequestError(message, all)
  return new UpstreamError(message, all)
}

/** Enough of an HTML page or the like to know it by. */
function excerpt(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim()
  return line.length > 200 ? `${line.slice(0, 200)}…` : line
}
