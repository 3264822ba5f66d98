import type { Dispatcher } from 'undici'
import type { ErrorCode } from '../errors/index.ts'
import type { CallContext } from './call-context.ts'
import type { Connection, ConnectionUser } from './connection.ts'
import type {
  Try,
  UpstreamCall,
  UpstreamFailure,
  UpstreamRequest,
  UpstreamSink,
  UpstreamTargeting,
} from './contract.ts'
import { isSliced, toDispatchOptions } from './dispatch-options.ts'
import {
  breach,
  CANCELLED,
  classify,
  shuttingDown,
  toError,
  toLoggable,
  UpstreamFault,
} from './fault.ts'
import { enterParser, insideParser, leaveParser } from './parser-gate.ts'
import type { UpstreamService } from './pools.ts'
import { StreamedBody } from './request-body.ts'
import { TryLog } from './try-log.ts'
import { toResponseFields, type ParsedFields } from './response-fields.ts'
import { mayRetry } from './retry-rule.ts'

/** Interim responses before the final one (F27). */
const MAX_INFORMATIONAL = 100
/** Fields of one response; their bytes are limited apart from this (F26). */
const MAX_RESPONSE_FIELDS = 1_000

/**
 * One request on its way: chooses targets, tries, hears undici, tells the sink. It is undici's handler for every try of
 * its own, which works because a try has always ended, by undici's word, before the next one starts.
 */
export class Call implements UpstreamCall, ConnectionUser {
  readonly #context: CallContext
  readonly #service: UpstreamService
  readonly #targeting: UpstreamTargeting
  readonly #request: UpstreamRequest
  readonly #sink: UpstreamSink
  readonly #log = new TryLog()
  readonly #streamed: StreamedBody | undefined
  #retriesLeft: number
  #staleRetried = false
  #settled = false
  /** `send` has not returned yet: the sink hears nothing before it has. */
  #starting = false

  // Of the current try.
  #targetIndex = -1
  #connection: Connection | undefined
  #controller: Dispatcher.DispatchController | undefined
  #reused = false
  #inPieces = false
  #requestSent = false
  #responseStarted = false
  #informational = 0

  // Of the response.
  #headSeen = false
  #responseBytes = 0
  #paused = false
  #resumedEarly = false

  constructor(
    context: CallContext,
    service: UpstreamService,
    targeting: UpstreamTargeting,
    request: UpstreamRequest,
    sink: UpstreamSink,
  ) {
    this.#context = context
    this.#service = service
    this.#targeting = targeting
    this.#request = request
    this.#sink = sink
    this.#retriesLeft = targeting.retries
    const { stream } = request
    this.#streamed = stream === undefined || stream.empty ? undefined : new StreamedBody(stream)
  }

  get tries(): readonly Try[] {
    return this.#log.entries
  }

  start(): void {
    if (insideParser()) {
      queueMicrotask(() => this.#try(false))
      return
    }
    this.#starting = true
    this.#try(false)
    this.#starting = false
  }

  abandon(fault: UpstreamFault): void {
    if (this.#settled) return
    this.#fail(fault.fault, fault)
  }

  cancel(): void {
    if (this.#settled) return
    this.#settle()
    this.#closeConnection(CANCELLED)
  }

  resume(): void {
    if (!this.#paused) {
      this.#resumedEarly = true
      return
    }
    this.#paused = false
    if (insideParser()) queueMicrotask(() => this.#continue())
    else this.#continue()
  }

  #continue(): void {
    if (this.#settled || this.#paused) return
    this.#connection?.arm(this.#targeting.readTimeoutMs)
    this.#controller?.resume()
  }

  #try(stale: boolean): void {
    if (this.#settled) return
    if (this.#context.closing) {
      this.abandon(shuttingDown())
      return
    }
    // A stale connection says nothing about its target: the same one is asked again.
    if (!stale) this.#targetIndex = this.#service.balancer.next()
    const target = this.#targeting.targets[this.#targetIndex]
    const pool = this.#service.pool(this.#targetIndex, this.#request.host)
    if (target === undefined || pool === undefined) {
      this.abandon(new UpstreamFault('upstream_no_target', 'no target with a weight above 0'))
      return
    }
    if (this.#request.method === 'CONNECT') {
      this.abandon(new UpstreamFault('method_not_allowed', 'CONNECT is not forwarded'))
      return
    }
    const connection = pool.acquire(stale)
    connection.connectTimeoutMs = this.#targeting.connectTimeoutMs
    this.#connection = connection
    this.#controller = undefined
    this.#reused = connection.served > 0
    this.#requestSent = false
    this.#responseStarted = false
    this.#informational = 0
    this.#log.open(target, this.#context.clock.now())
    const { body, host } = this.#request
    this.#inPieces = this.#streamed !== undefined || isSliced(body)
    connection.dispatch(
      toDispatchOptions(
        this.#request,
        this.#streamed,
        pool.route,
        host ?? target.hostHeader,
        this.#context.keepAlive,
      ),
      this,
    )
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    const connection = this.#connection
    if (this.#settled || connection === undefined) {
      controller.abort(CANCELLED)
      return
    }
    // undici may have had to connect anew in the meantime.
    this.#reused = connection.served > 0
    this.#log.connected(connection.address)
    if (this.#starting) queueMicrotask(() => this.#tellSending())
    else this.#sink.sending()
  }

  #tellSending(): void {
    if (this.#settled) return
    try {
      this.#sink.sending()
    } catch (error) {
      this.#controller?.abort(toError(error))
    }
  }

  onBodySent(): void {
    // A body that goes out in one piece is followed by `onRequestSent` at once.
    if (this.#inPieces && !this.#settled) this.#connection?.arm(this.#targeting.writeTimeoutMs)
  }

  onRequestSent(): void {
    this.#requestSent = true
    const connection = this.#connection
    if (connection === undefined || this.#settled || this.#paused) return
    const { readTimeoutMs, writeTimeoutMs } = this.#targeting
    connection.arm(connection.unsentBytes > 0 ? writeTimeoutMs : readTimeoutMs)
  }

  onResponseStarted(): void {
    this.#responseStarted = true
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    parsed: ParsedFields,
  ): void {
    if (this.#settled) return
    this.#heard()
    if (status < 200) {
      if (++this.#informational > MAX_INFORMATIONAL) {
        controller.abort(breach(`more than ${MAX_INFORMATIONAL} interim responses`))
      }
      return
    }
    const raw = controller.rawHeaders
    if (!Array.isArray(raw) || raw.length > 2 * MAX_RESPONSE_FIELDS) {
      controller.abort(breach(`more than ${MAX_RESPONSE_FIELDS} header fields`))
      return
    }
    this.#headSeen = true
    this.#log.answered(status)
    const fields = toResponseFields(raw, parsed)
    enterParser()
    try {
      this.#sink.head(status, fields)
    } finally {
      leaveParser()
    }
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#settled) return
    this.#heard()
    this.#responseBytes += chunk.length
    this.#resumedEarly = false
    let wantsMore: boolean
    enterParser()
    try {
      wantsMore = this.#sink.data(chunk)
    } finally {
      leaveParser()
    }
    if (wantsMore || this.#resumedEarly || this.#settled) return
    // A reader that is behind is not a silent upstream.
    this.#paused = true
    this.#connection?.disarm()
    controller.pause()
  }

  onResponseEnd(): void {
    if (this.#settled) return
    const connection = this.#connection
    if (connection?.lost !== undefined) {
      this.#fail('upstream_truncated', connection.lost)
      return
    }
    this.#connection = undefined
    this.#settle()
    // An answer that came before the whole request was taken leaves the rest of it on the wire.
    if (this.#requestSent) connection?.release()
    else connection?.close()
    enterParser()
    try {
      this.#sink.end()
    } catch (error) {
      this.#context.onEvent({ kind: 'defect', error: toError(error) })
    } finally {
      leaveParser()
    }
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    if (this.#settled) return
    const cause = this.#streamed?.failure ?? error
    const code = classify(cause, this.#headSeen)
    if (code === 'internal') this.#context.onEvent({ kind: 'defect', error: cause })
    const stale =
      code === 'upstream_reset' && this.#reused && !this.#responseStarted && !this.#staleRetried
    const again = stale ? this.#streamed?.begun !== true : this.#mayRetry(code)
    if (again) this.#retry(code, stale)
    else this.#fail(code, toLoggable(cause))
  }

  #mayRetry(code: ErrorCode): boolean {
    const { method } = this.#request
    return (
      this.#retriesLeft > 0 &&
      !this.#headSeen &&
      this.#streamed?.begun !== true &&
      mayRetry(code, method, this.#sent(), this.#targeting.targets)
    )
  }

  #retry(code: ErrorCode, stale: boolean): void {
    if (stale) this.#staleRetried = true
    else this.#retriesLeft--
    this.#log.failed(code)
    this.#closeConnection(CANCELLED)
    const target = this.#targeting.targets[this.#targetIndex]
    this.#context.onEvent({
      kind: 'retry',
      service: this.#targeting.key,
      host: target?.host ?? '',
      port: target?.port ?? 0,
      error: code,
      stale,
    })
    // undici is still busy with the connection that failed.
    queueMicrotask(() => this.#try(stale))
  }

  onTimer(): void {
    const connection = this.#connection
    if (this.#settled || this.#paused || connection === undefined) return
    const { readTimeoutMs, writeTimeoutMs } = this.#targeting
    if (!this.#requestSent) {
      // Waiting for the client is no fault of the upstream, and limited elsewhere.
      if (connection.blocked) this.#expire(writeTimeoutMs, 'took nothing of the request')
      else connection.arm(writeTimeoutMs)
      return
    }
    if (this.#headSeen) {
      this.#expire(readTimeoutMs, 'sent nothing more')
    } else if (connection.unsentBytes > 0) {
      this.#expire(writeTimeoutMs, 'took nothing of the request')
    } else if (connection.timerMs !== readTimeoutMs) {
      // What was slow to go has gone: from now on the answer is waited for.
      connection.arm(readTimeoutMs)
    } else {
      this.#expire(readTimeoutMs, 'sent nothing')
    }
  }

  #expire(ms: number, what: string): void {
    const fault = this.#headSeen ? 'upstream_idle_timeout' : 'upstream_timeout'
    this.#controller?.abort(new UpstreamFault(fault, `the upstream ${what} for ${ms} ms`))
  }

  /** The upstream gave a sign of life. */
  #heard(): void {
    if (this.#requestSent && !this.#paused) this.#connection?.arm(this.#targeting.readTimeoutMs)
  }

  #sent(): UpstreamFailure['requestSent'] {
    if (this.#controller === undefined) return 'nothing'
    // Head and first piece of a streamed body go out together.
    if (this.#streamed !== undefined && !this.#streamed.begun) return 'nothing'
    return this.#requestSent && this.#connection?.unsentBytes === 0 ? 'all' : 'part'
  }

  #fail(code: ErrorCode, cause: Error): void {
    const failure: UpstreamFailure = {
      code,
      cause,
      requestSent: this.#sent(),
      responseBytes: this.#responseBytes,
    }
    this.#log.failed(code)
    this.#settle()
    this.#closeConnection(cause)
    if (this.#starting) queueMicrotask(() => this.#tellFailure(failure))
    else this.#tellFailure(failure)
  }

  #tellFailure(failure: UpstreamFailure): void {
    enterParser()
    try {
      this.#sink.fail(failure)
    } catch (error) {
      this.#context.onEvent({ kind: 'defect', error: toError(error) })
    } finally {
      leaveParser()
    }
  }

  #settle(): void {
    this.#settled = true
    this.#streamed?.stop()
    this.#context.finished()
  }

  #closeConnection(reason: Error): void {
    const connection = this.#connection
    const controller = this.#controller
    this.#connection = undefined
    this.#controller = undefined
    // Also ends the body that undici is sending.
    if (this.#settled) controller?.abort(reason)
    connection?.close()
  }
}
