import type { HeaderFields, RequestBody, ResponseSink } from '@pratu/plugin-kit'
import { isGatewayError, toGatewayError } from '../errors/index.ts'
import type {
  UpstreamCall,
  UpstreamClient,
  UpstreamFailure,
  UpstreamSink,
} from '../upstream/index.ts'
import { addProxiedHeaders } from './informational-headers.ts'
import { dropProvidersOwn, isRedirect } from './provider-boundary.ts'
import type { BoundService, PinnedExchange, ServiceHandler } from './snapshot.ts'
import { UpstreamError } from './upstream-error.ts'

/**
 * The handler of plain services: buffers the request as its route says, sends it, streams the answer back with
 * back-pressure both ways, and closes the upstream when the client goes (F05, F06).
 */
export function createProxy(upstream: UpstreamClient): ServiceHandler {
  return (exchange, service, out) => {
    new ProxyCall(upstream, exchange, service, out).start()
  }
}

class ProxyCall implements UpstreamSink {
  readonly #upstream: UpstreamClient
  readonly #exchange: PinnedExchange
  readonly #service: BoundService
  readonly #out: ResponseSink
  #call: UpstreamCall | undefined
  #brokenOff = false

  constructor(
    upstream: UpstreamClient,
    exchange: PinnedExchange,
    service: BoundService,
    out: ResponseSink,
  ) {
    this.#upstream = upstream
    this.#exchange = exchange
    this.#service = service
    this.#out = out
  }

  start(): void {
    this.#exchange.onCancel(this.#cancel)
    this.#exchange.onInterrupt(this.#breakOff)
    this.#exchange.onEnough(this.#cancel)
    const { body } = this.#exchange.request
    if (body.empty) {
      this.#send(undefined, undefined)
      return
    }
    if (this.#exchange.bound?.route.requestBuffering === false) {
      this.#send(undefined, body)
      return
    }
    const buffered = body.buffer(this.#exchange.snapshot.context.requestBufferBytes)
    if (buffered instanceof Promise) buffered.then(this.#afterBuffer, this.#refuseBody)
    else this.#afterBuffer(buffered)
  }

  readonly #afterBuffer = (state: 'complete' | 'partial'): void => {
    const { body } = this.#exchange.request
    if (state === 'partial') {
      this.#send(undefined, body)
      return
    }
    const bytes = body.bytes(Number.MAX_SAFE_INTEGER)
    if (bytes instanceof Promise)
      bytes.then((late) => this.#send(late, undefined), this.#refuseBody)
    else this.#send(bytes, undefined)
  }

  /** The request's own body failed (too slow, too large): the client's fault, not the upstream's. */
  readonly #refuseBody = (error: unknown): void => {
    this.#out.fail(toGatewayError(error))
  }

  #send(body: Uint8Array | undefined, stream: RequestBody | undefined): void {
    const exchange = this.#exchange
    if (exchange.cancelled || this.#brokenOff) return
    const preserveHost = exchange.bound?.route.preserveHost === true
    // Last of all edits: whatever a plugin set there, the provider is paid with its own credential (S18).
    const credential = this.#service.credentialHeaders?.()
    if (credential !== undefined) {
      for (const [name, value] of credential) exchange.headers.set(name, value)
    }
    try {
      this.#call = this.#upstream.send(
        this.#service.targeting,
        {
          method: exchange.upstream.method,
          path: exchange.upstream.path + exchange.upstream.query,
          headers: exchange.headers.flat,
          host: exchange.headers.get('host') ?? (preserveHost ? exchange.request.host : undefined),
          body,
          stream,
        },
        this,
      )
    } catch (error) {
      this.#out.fail(toGatewayError(error))
      return
    }
    exchange.tries = this.#call.tries
  }

  readonly #cancel = (): void => {
    this.#call?.cancel()
  }

  readonly #resume = (): void => {
    this.#call?.resume()
  }

  sending(): void {
    this.#exchange.markSent()
  }

  head(status: number, headers: HeaderFields): void {
    const exchange = this.#exchange
    exchange.markUpstreamHead(status)
    if (this.#service.service.provider !== undefined) {
      if (isRedirect(status)) {
        this.#breakOff(refusedRedirect(status))
        return
      }
      dropProvidersOwn(headers)
    }
    exchange.source = 'service'
    const head = { status, headers }
    addProxiedHeaders(exchange, head)
    try {
      this.#out.head(head)
    } catch (error) {
      this.#breakOff(error)
    }
  }

  data(chunk: Uint8Array): boolean {
    try {
      if (this.#out.write(chunk)) return true
      this.#out.onDrain(this.#resume)
    } catch (error) {
      this.#breakOff(error)
    }
    return false
  }

  end(): void {
    try {
      this.#out.end()
    } catch (error) {
      this.#breakOff(error)
    }
  }

  fail(failure: UpstreamFailure): void {
    const { cause } = failure
    this.#out.fail(isGatewayError(cause) ? cause : new UpstreamError(failure))
  }

  /** Ends this one exchange, because a response phase threw or the gateway must; the upstream must not outlive it. */
  readonly #breakOff = (error: unknown): void => {
    this.#brokenOff = true
    this.#call?.cancel()
    this.#out.fail(error instanceof Error ? error : new Error(String(error)))
  }
}

function refusedRedirect(status: number): UpstreamError {
  const cause = new Error(`the provider answered ${status}`)
  return new UpstreamError({
    code: 'upstream_redirect',
    cause,
    requestSent: 'all',
    responseBytes: 0,
  })
}
