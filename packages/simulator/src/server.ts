import net from 'node:net'
import tls from 'node:tls'
import type { Census } from './recording/census.ts'
import { ConnectionRecord } from './recording/connection-record.ts'
import { RequestRecord } from './recording/recorded-request.ts'
import type { Recorder } from './recording/recorder.ts'
import type { Settings } from './settings.ts'
import { Connection } from './wire/connection.ts'
import type { ConnectionOwner } from './wire/connection.ts'
import type { Exchange } from './wire/exchange.ts'

/** Answers requests; the server below it knows connections and records only. */
export interface Responder {
  /** @returns false for requests that are neither recorded nor counted. */
  isRecorded(path: string): boolean
  /** @returns true when the request is answered at its head. */
  begin(exchange: Exchange): boolean
  answer(exchange: Exchange): void
  refuse(exchange: Exchange, status: number, reason: string): void
}

/** Listens, keeps the connections, and records what arrives on them. */
export class SimulatorServer implements ConnectionOwner {
  readonly maxBodyBytes: number
  readonly #recorder: Recorder
  readonly #census: Census
  readonly #responder: Responder
  readonly #server: net.Server
  readonly #connections = new Set<Connection>()

  constructor(settings: Settings, recorder: Recorder, census: Census, responder: Responder) {
    this.maxBodyBytes = settings.maxBodyBytes
    this.#recorder = recorder
    this.#census = census
    this.#responder = responder
    const context = settings.tls === undefined ? undefined : tls.createSecureContext(settings.tls)
    this.#server = net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      if (context === undefined) this.#accept(socket, socket)
      else this.#acceptTls(socket, context)
    })
  }

  /**
   * @returns the port.
   * @throws {Error} when the address cannot be listened on.
   */
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

  /** Stops listening and cuts every connection. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve())
      for (const connection of this.#connections) connection.socket.destroy()
    })
  }

  arrived(exchange: Exchange): void {
    if (exchange.head !== undefined && !this.#responder.isRecorded(exchange.head.path)) return
    exchange.index = this.#census.requests
    this.#census.requests += 1
    if (!this.#recorder.enabled) return
    exchange.record = new RequestRecord(
      exchange.index,
      exchange.channel.record,
      exchange.rawHead,
      exchange.head,
    )
    this.#recorder.add(exchange.record)
  }

  begin(exchange: Exchange): boolean {
    return this.#responder.begin(exchange)
  }

  received(exchange: Exchange): void {
    const { record } = exchange
    if (record === undefined) return
    record.complete = true
    record.add('complete')
    this.#keepBody(exchange)
  }

  answer(exchange: Exchange): void {
    this.#responder.answer(exchange)
  }

  refuse(exchange: Exchange, status: number, reason: string): void {
    this.#census.malformed += 1
    if (exchange.record !== undefined) exchange.record.malformed = reason
    this.#keepBody(exchange)
    this.#responder.refuse(exchange, status, reason)
  }

  closed(connection: Connection, exchange: Exchange | undefined): void {
    this.#connections.delete(connection)
    this.#census.openConnections -= 1
    if (exchange !== undefined) this.#keepBody(exchange)
  }

  #keepBody({ record, body }: Exchange): void {
    if (record === undefined) return
    if (body !== undefined && !record.settled) {
      record.rawBody = body.raw
      record.bodyBytes = body.chunked ? body.decoded : record.rawBody
      record.settled = record.complete
    }
    this.#recorder.update(record)
  }

  #accept(socket: net.Socket, transport: net.Socket): void {
    const record = new ConnectionRecord(this.#census.connections, transport.remotePort ?? 0)
    this.#census.connections += 1
    this.#census.openConnections += 1
    this.#connections.add(new Connection(socket, transport, record, this))
  }

  #acceptTls(transport: net.Socket, secureContext: tls.SecureContext): void {
    const options = { isServer: true, secureContext, ALPNProtocols: ['http/1.1'] }
    this.#accept(new tls.TLSSocket(transport, options), transport)
  }
}
