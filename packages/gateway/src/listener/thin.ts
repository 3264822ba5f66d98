import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { ByteSink, JsonDocument, RequestBody, RequestView, ResponseHead } from '@pratu/plugin-kit'
import { GatewayError } from '../errors/index.ts'
import { HeaderList } from '../http/index.ts'
import type { ClientChannel, Departure } from '../pipeline/client-channel.ts'
import type { Listener, ListenerOptions, RequestListener } from './options.ts'

class NodeBody implements RequestBody {
  readonly declaredBytes: number | undefined
  readonly empty: boolean
  receivedBytes = 0
  readonly #request: IncomingMessage
  #whole: Uint8Array | undefined
  #pending: Promise<Uint8Array> | undefined

  constructor(request: IncomingMessage, headers: HeaderList) {
    this.#request = request
    const length = headers.get('content-length')
    const chunked = headers.has('transfer-encoding')
    this.declaredBytes = chunked ? undefined : Number(length ?? 0)
    this.empty = !chunked && this.declaredBytes === 0
    if (this.empty) this.#whole = new Uint8Array()
  }

  get replayable(): boolean {
    return this.#whole !== undefined || this.receivedBytes === 0
  }

  limit(maxBytes: number): void {
    if (this.declaredBytes !== undefined && this.declaredBytes > maxBytes) throw new GatewayError('body_too_large')
  }

  buffer(upToBytes: number): 'complete' | 'partial' | Promise<'complete' | 'partial'> {
    if (this.#whole !== undefined) return 'complete'
    if (this.declaredBytes === undefined || this.declaredBytes > upToBytes) return 'partial'
    const whole = this.bytes(upToBytes)
    return whole instanceof Uint8Array ? 'complete' : whole.then(() => 'complete')
  }

  bytes(maxBytes: number): Uint8Array | Promise<Uint8Array> {
    if (this.#whole !== undefined) return this.#whole
    if (this.declaredBytes !== undefined && this.declaredBytes > maxBytes) throw new GatewayError('body_too_large')
    this.#pending ??= new Promise((resolve, reject) => {
      const parts: Uint8Array[] = []
      this.#request.on('data', (chunk: Uint8Array) => {
        this.receivedBytes += chunk.length
        if (this.receivedBytes > maxBytes) reject(new GatewayError('body_too_large'))
        else parts.push(chunk)
      })
      this.#request.on('end', () => {
        this.#whole = Buffer.concat(parts)
        resolve(this.#whole)
      })
      this.#request.on('error', reject)
    })
    return this.#pending
  }

  async json(maxBytes: number): Promise<JsonDocument> {
    const value: unknown = JSON.parse(Buffer.from(await this.bytes(maxBytes)).toString())
    return { value, span: () => undefined }
  }

  replace(bytes: Uint8Array): void {
    this.#whole = bytes
  }

  pipe(sink: ByteSink): void {
    if (this.#whole !== undefined) {
      if (this.#whole.length > 0) sink.write(this.#whole)
      sink.end()
      return
    }
    this.#request.on('data', (chunk: Uint8Array) => {
      this.receivedBytes += chunk.length
      if (sink.write(chunk)) return
      this.#request.pause()
      sink.onDrain(() => this.#request.resume())
    })
    this.#request.on('end', () => sink.end())
    this.#request.on('error', (error) => sink.fail(error))
  }
}

class NodeChannel implements ClientChannel {
  headSent = false
  bytesSent = 0
  bytesReceived = 0
  departed: Departure | undefined
  readonly #response: ServerResponse
  #done = false

  constructor(response: ServerResponse) {
    this.#response = response
  }

  head(head: ResponseHead): void {
    this.headSent = true
    const fields = head.headers instanceof HeaderList ? head.headers.flat : []
    this.#response.writeHead(head.status, fields)
  }

  write(chunk: Uint8Array): boolean {
    this.bytesSent += chunk.length
    return this.#response.write(chunk)
  }

  onDrain(resume: () => void): void {
    this.#response.once('drain', resume)
  }

  end(): void {
    this.#done = true
    this.#response.end()
  }

  fail(_error: Error): void {
    this.#done = true
    this.#response.destroy()
  }

  onDeparture(listener: (departure: Departure) => void): void {
    this.#response.once('close', () => {
      if (this.#done) return
      this.departed = 'client_cancelled'
      listener('client_cancelled')
    })
  }

  onFinished(listener: () => void): void {
    this.#response.once('close', listener)
  }
}

function view(request: IncomingMessage, port: number): RequestView {
  const headers = new HeaderList(request.rawHeaders)
  const target = request.url ?? '/'
  const question = target.indexOf('?', 1)
  const path = question < 0 ? target : target.slice(0, question)
  const ip = request.socket.remoteAddress ?? ''
  return {
    method: request.method ?? 'GET',
    httpVersion: request.httpVersion === '1.0' ? '1.0' : '1.1',
    scheme: 'http',
    rawPath: path,
    path,
    rawQuery: question < 0 ? '' : target.slice(question),
    host: headers.get('host') ?? '',
    headers,
    peerIp: ip,
    peerTrusted: false,
    clientIp: ip,
    port,
    body: new NodeBody(request, headers),
  }
}

/** Makes a listener; nothing is bound before `listen`. */
export function createListener(options: ListenerOptions, onRequest: RequestListener): Listener {
  let port = 0
  let active = 0
  const server: Server = createServer({ keepAliveTimeout: options.limits.keepAliveTimeoutMs }, (request, response) => {
    active++
    response.once('close', () => active--)
    onRequest(view(request, port), new NodeChannel(response))
  })
  let connections = 0
  server.on('connection', (socket) => {
    connections++
    socket.once('close', () => connections--)
  })
  return {
    listen: (address) =>
      new Promise((resolve, reject) => {
        server.once('error', reject)
        server.listen({ ...address, reusePort: options.reusePort ?? false }, () => {
          const bound = server.address()
          if (typeof bound === 'object' && bound !== null) port = bound.port
          resolve({ host: address.host, port })
        })
      }),
    get connections() {
      return connections
    },
    get activeRequests() {
      return active
    },
    drain: () => undefined,
    stopAccepting: () => void server.close(),
    close: (graceMs) =>
      new Promise((resolve) => {
        const timer = setTimeout(() => server.closeAllConnections(), graceMs)
        server.close(() => {
          clearTimeout(timer)
          resolve()
        })
      }),
    destroyAll: () => server.closeAllConnections(),
  }
}
