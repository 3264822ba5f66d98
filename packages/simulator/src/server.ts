import net from 'node:net'
import tls from 'node:tls'
import { ConnectionRecord } from './recording/connection-record.ts'
import { Recorder } from './recording/recorder.ts'
import { RequestRecord } from './recording/recorded-request.ts'
import type { Settings } from './settings.ts'
import { Connection } from './wire/connection.ts'
import type { ConnectionOwner } from './wire/connection.ts'
import type { Exchange } from './wire/exchange.ts'

/** Answers requests; the server below it knows connections and records only. */
export interface Responder {
  /** @returns true when the request is answered at its head. */
  begin(exchange: Exchange): boolean
  answer(exchange: Exchange): void
  refuse(exchange: Exchange, status: number, reason: string): void
}

/** Listens, keeps the connections, and records what arrives on them. */
export class SimulatorServer implements ConnectionOwner {
  readonly maxBodyBytes: number
  readonly recorder: Recorder
  readonly #responder: Responder
  readonly #server: net.Server
  readonly #connections = new Set<Connection>()
  #nextConnection = 0
  #nextRequest = 0

  constructor(settings: Settings, responder: Responder) {
    this.maxBodyBytes = settings.maxBodyBytes
    this.recorder = new Recorder(settings.recorder)
    this.#responder = responder
    const context = settings.tls === undefined ? undefined : tls.createSecureContext(settings.tls)
    this.#server = net.createServer({ allowHalfOpen: true }, (socket) => {
      if (context === undefined) this.#accept(socket, socket)
      else this.#acceptTls(socket, context)
    })
  }

  get openConnections(): number {
    return this.#connections.size
  }

  /** Connections accepted since the start. */
  get connections(): number {
    return this.#nextConnection
  }

  /** Requests since the start or the last `restart()`. */
  get requests(): number {
    return this.#nextRequest
  }

  /** @throws {Error} when the address cannot be listened on. */
  listen(host: string, port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen({ host, port, backlog: 4096 }, () => {
        this.#server.off('error', reject)
        const address = this.#server.address()
        resolve(typeof address === 'object' && address !== null ? address.port : port)
      })
    })
  }

  /** Forgets records and counts requests from 0 again. */
  restart(): void {
    this.recorder.clear()
    this.#nextRequest = 0
  }

  /** Stops listening and cuts every connection. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve())
      for (const connection of this.#connections) connection.socket.destroy()
    })
  }

  begin(exchange: Exchange): boolean {
    exchange.index = this.#nextRequest
    const { record } = exchange.channel
    if (exchange.head?.path.startsWith('/__simulator/') !== true) {
      this.#nextRequest += 1
      if (this.recorder.enabled) {
        exchange.record = new RequestRecord(exchange.index, record, exchange.rawHead, exchange.head)
        this.recorder.add(exchange.record)
      }
    }
    record.requests += 1
    return this.#responder.begin(exchange)
  }

  received(exchange: Exchange): void {
    const { record, body } = exchange
    if (record === undefined || body === undefined) return
    record.rawBody = body.raw
    record.bodyBytes = body.decoded
    record.complete = true
    record.add('complete')
    this.recorder.update(record)
  }

  answer(exchange: Exchange): void {
    this.#responder.answer(exchange)
  }

  refuse(exchange: Exchange, status: number, reason: string): void {
    if (exchange.record === undefined && this.recorder.enabled) {
      exchange.record = new RequestRecord(
        this.#nextRequest,
        exchange.channel.record,
        exchange.rawHead,
        exchange.head,
      )
      this.#nextRequest += 1
      this.recorder.add(exchange.record)
    }
    if (exchange.record !== undefined) {
      exchange.record.malformed = reason
      this.#keepPartialBody(exchange)
    }
    this.#responder.refuse(exchange, status, reason)
  }

  closed(connection: Connection, exchange: Exchange | undefined): void {
    this.#connections.delete(connection)
    if (exchange?.record?.complete === false) this.#keepPartialBody(exchange)
    else if (exchange?.record !== undefined) this.recorder.update(exchange.record)
  }

  #keepPartialBody({ record, body }: Exchange): void {
    if (record === undefined) return
    record.rawBody = body?.raw ?? record.rawBody
    record.bodyBytes = body?.decoded ?? record.bodyBytes
    this.recorder.update(record)
  }

  #accept(socket: net.Socket, transport: net.Socket): void {
    const record = new ConnectionRecord(this.#nextConnection, transport.remotePort ?? 0)
    this.#nextConnection += 1
    this.#connections.add(new Connection(socket, transport, record, this))
  }

  #acceptTls(transport: net.Socket, context: tls.SecureContext): void {
    const socket = new tls.TLSSocket(transport, {
      isServer: true,
      secureContext: context,
      ALPNProtocols: ['http/1.1'],
    })
    this.#accept(socket, transport)
  }
}
