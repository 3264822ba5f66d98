import type { Socket } from 'node:net'
import type { ErrorCode } from '../errors/index.ts'
import type { Departure } from '../pipeline/index.ts'
import { normalisePath } from '../http/index.ts'
import { BodyReader, type BodyWire } from './body-reader.ts'
import { plainAddress } from './client-address.ts'
import { ClientRequest, type RequestOrigin } from './client-request.ts'
import type { ConnectionHub } from './connection-hub.ts'
import { HalfCloseProbe } from './half-close-probe.ts'
import { isRefusal, type RequestHead } from './head-parser.ts'
import { Inbox } from './inbox.ts'
import { Outbound } from './outbound.ts'
import { renderRefusal, renderServerOptions } from './refusal.ts'
import { IncomingBody, type BodySource } from './request-body.ts'
import type { HeadContext } from './response-head.ts'
import { ResponseWriter, type ResponseHost } from './response-writer.ts'

/**
 * opening: no byte yet · idle: between requests · head: part of a head is here · request: an exchange has it ·
 * lingering: our side is closed, the client may still read its answer · closed
 */
type Phase = 'opening' | 'idle' | 'head' | 'request' | 'lingering' | 'closed'

const CONTINUE = 'HTTP/1.1 100 Continue\r\n\r\n'

/** Pipelined bytes kept while a request runs; beyond it the socket is not read. */
const STASH_BYTES = 16 * 1024

/** A connection that is only there to hear whether it asks for health has this long (F13). */
const RESERVED_HEAD_MS = 1000

/** One client connection: reads requests one after the other, and decides when it ends. */
export class Connection implements BodyWire, ResponseHost {
  readonly outbound: Outbound
  readonly origin: RequestOrigin
  /** Above the connection cap: serves one health request or one refusal (F13). */
  readonly reserved: boolean
  readonly #socket: Socket
  readonly #hub: ConnectionHub
  readonly #onClosed: (connection: Connection) => void
  #phase: Phase = 'opening'
  #deadlineMs: number
  readonly #inbox = new Inbox()
  #advancing = false
  #reading = true
  /** The client sent FIN. */
  #ended = false
  #lingeredBytes = 0
  #head: RequestHead | undefined
  #writer: ResponseWriter | undefined
  #bodyReader: BodyReader | undefined
  #probe: HalfCloseProbe | undefined

  constructor(
    socket: Socket,
    hub: ConnectionHub,
    reserved: boolean,
    onClosed: (connection: Connection) => void,
  ) {
    this.#socket = socket
    this.#hub = hub
    this.#onClosed = onClosed
    this.reserved = reserved
    this.outbound = new Outbound(socket)
    const peerIp = plainAddress(socket.remoteAddress ?? '')
    this.origin = {
      peerIp,
      peerTrusted: hub.clientAddress.isTrusted(peerIp),
      port: hub.port,
      clientAddress: hub.clientAddress,
    }
    this.#deadlineMs = hub.nowMs + this.#headTimeoutMs()
    socket.on('data', (chunk: Buffer) => this.#onData(chunk))
    socket.on('drain', () => this.outbound.drained())
    socket.on('end', () => this.#onEnd())
    // A reset is told twice; `close` follows and settles everything.
    socket.on('error', () => undefined)
    socket.on('close', () => this.#closed())
  }

  // --- for the listener ---

  /** Waits for a first request and may be closed without harm. */
  get idle(): boolean {
    return this.#phase === 'idle' || this.#phase === 'opening'
  }

  /** Enforces every time limit of this connection. */
  tick(nowMs: number): void {
    switch (this.#phase) {
      case 'opening':
      case 'idle':
        if (nowMs >= this.#deadlineMs) this.closeIfIdle()
        return
      case 'head':
        if (nowMs >= this.#deadlineMs) this.#refuse('request_timeout', 'header timeout', false)
        return
      case 'request':
        if (this.outbound.stalledMs(nowMs) >= this.#hub.options.limits.writeStallMs) this.#stall()
        else this.#bodyReader?.tick(nowMs)
        return
      case 'lingering':
        if (nowMs >= this.#deadlineMs) this.destroy()
        return
      case 'closed':
        return
    }
  }

  /** Closes an idle connection after one more look at the socket: what arrived before our FIN is answered (F11). */
  closeIfIdle(): void {
    if (this.idle) this.#hub.idleCloser.add(this)
  }

  /** For the one that {@link closeIfIdle} asked: meanwhile there may have been a request, and time for the next. */
  closeIfOverdue(): void {
    const { draining, nowMs } = this.#hub
    if (this.idle && (draining || nowMs >= this.#deadlineMs)) this.closeGently()
  }

  /** Sends FIN after what is on its way, and goes on reading for a while: unread bytes would turn it into RST (F08). */
  closeGently(): void {
    if (this.#phase === 'lingering' || this.#phase === 'closed') return
    this.#phase = 'lingering'
    this.#deadlineMs = this.#hub.nowMs + this.#hub.lingerMs
    this.#inbox.take()
    this.#socket.end()
    this.startReading()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  // --- for the body ---

  get nowMs(): number {
    return this.#hub.nowMs
  }

  startReading(): void {
    if (this.#reading) return
    this.#reading = true
    this.#socket.resume()
  }

  stopReading(): void {
    if (!this.#reading || this.#phase !== 'request') return
    this.#reading = false
    this.#socket.pause()
  }

  sendContinue(): void {
    if (this.#writer?.headSent === false) this.outbound.send(CONTINUE, undefined, '')
  }

  stash(rest: Buffer): void {
    this.#inbox.add(rest)
    if (this.#inbox.size > STASH_BYTES) this.stopReading()
  }

  bodyRefused(code: ErrorCode): void {
    this.#hub.refused(code, 'body')
  }

  // --- for the response ---

  get bytesReceived(): number {
    return this.#inbox.headBytes + (this.#bodyReader?.wireBytes ?? 0)
  }

  headContext(): HeadContext {
    const head = this.#head
    const bodyArrived = this.#bodyReader === undefined || this.#bodyReader.body.completed
    const hub = this.#hub
    return {
      isHead: head?.method === 'HEAD',
      http10: head?.httpVersion === '1.0',
      // An answer that comes before the whole body ends the connection (F08).
      keepAlive:
        bodyArrived &&
        head?.keepAlive === true &&
        !hub.draining &&
        !this.reserved &&
        (!this.#ended || this.#inbox.size > 0),
      dateLine: hub.dateLine,
      keepAliveLines: hub.keepAliveLines,
    }
  }

  responseDone(keepAlive: boolean): void {
    this.#endRequest()
    if (!keepAlive) {
      this.closeGently()
      return
    }
    this.#phase = 'idle'
    this.#deadlineMs = this.#hub.nowMs + this.#hub.options.limits.keepAliveTimeoutMs
    this.startReading()
    if (this.#inbox.size > 0) this.#advance()
  }

  responseFailed(reset: boolean): void {
    this.#endRequest()
    if (reset) this.#socket.resetAndDestroy()
    else this.closeGently()
  }

  defect(error: Error): void {
    this.#hub.defect(error)
  }

  // --- socket events ---

  #onData(chunk: Buffer): void {
    switch (this.#phase) {
      case 'request': {
        const body = this.#bodyReader
        if (body === undefined || body.body.completed) this.stash(chunk)
        else body.feed(chunk)
        return
      }
      case 'lingering':
        this.#lingeredBytes += chunk.length
        // Enough: the client may read its answer until the deadline, but we take no more.
        if (this.#lingeredBytes > this.#hub.lingerBytes) this.#socket.pause()
        return
      case 'closed':
        return
      default:
        this.#inbox.add(chunk)
        this.#advance()
    }
  }

  #onEnd(): void {
    this.#ended = true
    if (this.#phase !== 'request') {
      this.closeGently()
      return
    }
    if (this.#bodyReader?.body.completed === false) {
      // The rest of the request will never come: nobody is there to answer.
      this.#depart('client_cancelled')
      this.destroy()
      return
    }
    this.#probe = new HalfCloseProbe(this.outbound, () => this.#mayProbe())
    this.#probe.start()
  }

  #closed(): void {
    this.#phase = 'closed'
    this.#depart('client_cancelled')
    this.#inbox.take()
    this.outbound.abandon()
    this.#onClosed(this)
  }

  // --- requests ---

  #headTimeoutMs(): number {
    const { headersTimeoutMs } = this.#hub.options.limits
    return this.reserved ? Math.min(headersTimeoutMs, RESERVED_HEAD_MS) : headersTimeoutMs
  }

  /** Starts as many requests as are here and can be started now: the next one waits for the end of this one (F10). */
  #advance(): void {
    if (this.#advancing) return
    this.#advancing = true
    try {
      while (this.#phase === 'opening' || this.#phase === 'idle' || this.#phase === 'head') {
        if (!this.#startNext()) break
      }
    } finally {
      this.#advancing = false
    }
  }

  /** @returns `false` when nothing more can be done with what is here. */
  #startNext(): boolean {
    const head = this.#inbox.readHead(this.#hub.options.limits)
    if (head === 'nothing') return false
    if (head === 'begun') {
      if (this.#phase === 'idle') this.#deadlineMs = this.#hub.nowMs + this.#headTimeoutMs()
      this.#phase = 'head'
      return false
    }
    this.#hub.requestReceived()
    if (isRefusal(head)) return this.#refuse(head.code, head.reason, this.#inbox.refusedHead)
    return this.#accept(head)
  }

  #accept(head: RequestHead): boolean {
    const hub = this.#hub
    const isHead = head.method === 'HEAD'
    const { rawPath } = head.target
    if (rawPath === '*') return this.#answerServerOptions()
    if (hasBrokenEscape(rawPath))
      return this.#refuse('invalid_target', 'malformed escape in the path', isHead)
    const path = normalisePath(rawPath, hub.options.pathMode)
    if (path === undefined) return this.#refuse('path_not_canonical', 'path not canonical', isHead)
    if (this.reserved && !hub.options.healthPaths.has(path)) {
      return this.#refuse('too_many_connections', 'above the connection cap', isHead)
    }
    this.#phase = 'request'
    this.#head = head
    const writer = new ResponseWriter(this)
    this.#writer = writer
    hub.requestStarted()
    const body =
      head.contentLength === 0
        ? new IncomingBody(NO_SOURCE, 0, hub.bodyLimits)
        : this.#openBody(head)
    try {
      hub.onRequest(new ClientRequest(head, path, body, this.origin), writer)
    } catch (error) {
      hub.defect(error)
      writer.fail(new Error('the request listener threw', { cause: error }))
    }
    const reader = this.#bodyReader
    if (reader !== undefined && !reader.waiting && !reader.body.completed) this.stopReading()
    return true
  }

  #openBody(head: RequestHead): IncomingBody {
    const { bodyLimits, chunkedLimits, bodyPace } = this.#hub
    const reader = new BodyReader(this, head, bodyLimits, chunkedLimits, bodyPace)
    this.#bodyReader = reader
    const data = this.#inbox.take()
    if (data !== undefined) reader.feed(data)
    return reader.body
  }

  #answerServerOptions(): boolean {
    const text = renderServerOptions(this.#hub.dateLine)
    this.outbound.send(text, undefined, '')
    this.closeGently()
    return false
  }

  #refuse(code: ErrorCode, reason: string, isHead: boolean): boolean {
    const hub = this.#hub
    const context = { peerIp: this.origin.peerIp, isHead, dateLine: hub.dateLine }
    const refusal = renderRefusal(hub.options, code, reason, context)
    this.outbound.send(refusal.head, refusal.body, '')
    this.closeGently()
    hub.refused(code, code === 'too_many_connections' ? 'connection' : 'headers', refusal.record)
    return false
  }

  #endRequest(): void {
    if (this.#head === undefined) return
    this.#probe?.stop()
    const body = this.#bodyReader?.body
    this.#head = undefined
    this.#writer = undefined
    this.#bodyReader = undefined
    this.#hub.requestEnded()
    body?.release()
  }

  #depart(departure: Departure): void {
    this.#writer?.depart(departure)
    this.#endRequest()
  }

  /** The client takes nothing any more (F03): its kernel buffers are given up as well. */
  #stall(): void {
    this.#depart('client_stalled')
    this.#socket.resetAndDestroy()
  }

  #mayProbe(): boolean {
    return this.#writer?.headSent === false && this.#head?.httpVersion === '1.1'
  }
}

const NO_SOURCE: BodySource = { resumeBody: () => undefined, pauseBody: () => undefined }

/** An escape that is incomplete or stands for NUL: nginx, before Kong, refuses both. */
function hasBrokenEscape(path: string): boolean {
  return path.includes('%') && /%(?:00|(?![0-9A-Fa-f]{2}))/.test(path)
}
