import type { ByteSink, JsonDocument, RequestBody } from '../messages.ts'
import { topLevelSpans } from './json-spans.ts'
import { keepAttached } from './keep-attached.ts'

/** What a test may give as a body: text, bytes, or a JSON value that is serialised. */
export type BodyGiven = string | Uint8Array | Readonly<Record<string, unknown>> | readonly unknown[]

const BRAND = Symbol.for('pratu.gateway-error')

/** Thrown where the gateway's body would throw a `GatewayError`; carries the same brand, code and status. */
export class BodyError extends Error {
  readonly [BRAND] = true
  override readonly name = 'GatewayError'
  readonly code: string
  readonly status: number
  readonly retryable = false
  readonly detail = {}

  constructor(code: string, status: number, message: string) {
    super(message)
    this.code = code
    this.status = status
  }
}

export interface BodyOptions {
  /** `true`: reading answers with a promise, as it does while bytes are still on their way. */
  readonly pending?: boolean
  /** `true`: no `Content-Length` is declared. */
  readonly chunked?: boolean
}

/** A request body that is complete from the start. */
export function givenBody(given: BodyGiven = '', options: BodyOptions = {}): RequestBody {
  let content = toBytes(given)
  let cap = Number.POSITIVE_INFINITY
  let pipedTo: ByteSink | undefined

  const read = (maxBytes: number): Uint8Array => {
    if (pipedTo !== undefined) throw new Error('the body was piped; it cannot be read again')
    if (content.length > Math.min(maxBytes, cap)) {
      throw new BodyError('body_too_large', 413, 'Payload too large')
    }
    return content
  }
  const parse = (maxBytes: number): JsonDocument => {
    const text = new TextDecoder('utf-8', { fatal: false }).decode(read(maxBytes))
    try {
      const value: unknown = JSON.parse(text)
      const spans = isRecord(value) ? topLevelSpans(text) : undefined
      return keepAttached({ value, span: (name: string) => spans?.get(name) })
    } catch {
      throw new BodyError('invalid_json', 400, 'The request body is not valid JSON')
    }
  }
  const answer = <T>(produce: () => T): T | Promise<T> =>
    options.pending === true ? Promise.resolve().then(produce) : produce()

  return keepAttached<RequestBody>({
    declaredBytes: options.chunked === true ? undefined : content.length,
    get empty() {
      return content.length === 0
    },
    completed: true,
    get replayable() {
      return pipedTo === undefined
    },
    get receivedBytes() {
      return content.length
    },
    limit: (maxBytes) => {
      cap = Math.min(cap, maxBytes)
      if (content.length > cap) throw new BodyError('body_too_large', 413, 'Payload too large')
    },
    buffer: (upToBytes) =>
      answer(() => (content.length <= upToBytes ? ('complete' as const) : ('partial' as const))),
    bytes: (maxBytes) => answer(() => read(maxBytes)),
    json: (maxBytes) => answer(() => parse(maxBytes)),
    replace: (bytes) => {
      content = bytes
    },
    pipe: (sink) => {
      if (pipedTo !== undefined) throw new Error('the body was piped already')
      pipedTo = sink
      if (content.length > 0) sink.write(content)
      sink.end()
    },
  })
}

function toBytes(given: BodyGiven): Uint8Array {
  if (given instanceof Uint8Array) return given
  return new TextEncoder().encode(typeof given === 'string' ? given : JSON.stringify(given))
}

function isRecord(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
