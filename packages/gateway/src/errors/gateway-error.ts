import { CATALOGUE, type ErrorCode } from './catalogue.ts'

const BRAND = Symbol.for('pratu.gateway-error')

/** For the log only; never sent to a client. */
export type ErrorDetail = Readonly<Record<string, string | number | boolean | undefined>>

/** A failure with a documented status. Only the catalogue's text reaches the client. */
export class GatewayError extends Error {
  readonly [BRAND] = true
  override readonly name = 'GatewayError'
  readonly code: ErrorCode
  readonly detail: ErrorDetail

  constructor(code: ErrorCode, detail: ErrorDetail = {}, options?: ErrorOptions) {
    super(CATALOGUE[code].message, options)
    this.code = code
    this.detail = detail
  }

  get status(): number {
    return CATALOGUE[this.code].status
  }

  get retryable(): boolean {
    return CATALOGUE[this.code].retryable
  }
}

/** The brand survives two copies of the package, where `instanceof` would not. */
export function isGatewayError(error: unknown): error is GatewayError {
  return typeof error === 'object' && error !== null && BRAND in error
}

/** Anything thrown becomes an error with a documented status; the unknown is `internal`. */
export function toGatewayError(error: unknown): GatewayError {
  return isGatewayError(error) ? error : new GatewayError('internal', {}, { cause: error })
}
