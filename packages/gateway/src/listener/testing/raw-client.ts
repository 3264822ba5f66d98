import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

/** One response as it came over the wire. */
export interface RawResponse {
  readonly status: number
  readonly head: string
  /** Lower-case name → value; repeated fields joined by `, `. */
  readonly headers: ReadonlyMap<string, string>
  /** Without its framing. */
  readonly body: Buffer
}

/** A client that sends exactly the bytes it is told to, and sees exactly what comes back. */
export class RawClient {
  readonly socket: Socket
  /** FIN from the server was seen. */
  ended = false
  /** RST was seen. */
  reset = false
  closed = false
  #chunks: Buffer[] = []
  /** Bytes that came, also those that were taken off as responses. */
  totalBytes = 0
  readonly #changed: (() => void)[] = []

  private constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', (chunk: Buffer) => {
      this.#chunks.push(chunk)
      this.totalBytes += chunk.length
      this.#notify()
    })
    socket.on('end', () => {
      this.ended = true
      this.#notify()
    })
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNRESET' || error.code === 'EPIPE') this.reset = true
      this.#notify()
    })
    socket.on('close', () => {
      this.closed = true
      this.#notify()
    })
  }

  static async open(port: number): Promise<RawClient> {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    const client = new RawClient(socket)
    await once(socket, 'connect')
    socket.setNoDelay(true)
    return client
  }

  get received(): Buffer {
    const [only = Buffer.alloc(0)] = this.#chunks
    if (this.#chunks.length < 2) return only
    const whole = Buffer.concat(this.#chunks)
    this.#chunks = [whole]
    return whole
  }

  get text(): string {
    return this.received.toString('latin1')
  }

  /** Latin-1, so that any byte can be written. */
  send(data: string | Uint8Array): void {
    if (typeof data === 'string') this.socket.write(data, 'latin1')
    else this.socket.write(data)
  }

  /** Half-close: FIN, but goes on reading. */
  finish(): void {
    this.socket.end()
  }

  /** Resolves when `condition` holds; asked again whenever something arrives. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      if (this.closed) throw new Error(`closed before the condition held; received: ${this.text}`)
      await new Promise<void>((resolve) => this.#changed.push(resolve))
    }
  }

  /** The next response, taken off what was received; `102` and `100` are skipped only when asked. */
  async response(options: { readonly isHead?: boolean } = {}): Promise<RawResponse> {
    let found: { readonly response: RawResponse; readonly end: number } | undefined
    await this.until(() => {
      found = parseResponse(this.received, options.isHead ?? false, this.ended || this.closed)
      return found !== undefined
    })
    if (found === undefined) throw new Error('no response')
    this.#chunks = [this.received.subarray(found.end)]
    return found.response
  }

  /** Sends and reads one answer. */
  ask(data: string, options?: { readonly isHead?: boolean }): Promise<RawResponse> {
    this.send(data)
    return this.response(options)
  }

  /** Resolves when the server has closed its side, by FIN or RST. */
  async serverClosed(): Promise<void> {
    if (this.ended || this.reset || this.closed) return
    await this.until(() => this.ended || this.reset || this.closed)
  }

  destroy(): void {
    this.socket.destroy()
  }

  #notify(): void {
    for (const resolve of this.#changed.splice(0)) resolve()
  }
}

function parseResponse(
  data: Buffer,
  isHead: boolean,
  over: boolean,
): { readonly response: RawResponse; readonly end: number } | undefined {
  const headEnd = data.indexOf('\r\n\r\n')
  if (headEnd < 0) return undefined
  const head = data.toString('latin1', 0, headEnd)
  const [statusLine = '', ...lines] = head.split('\r\n')
  const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(statusLine)?.[1])
  const headers = new Map<string, string>()
  for (const line of lines) {
    const colon = line.indexOf(': ')
    const name = line.slice(0, colon).toLowerCase()
    const before = headers.get(name)
    headers.set(
      name,
      before === undefined ? line.slice(colon + 2) : `${before}, ${line.slice(colon + 2)}`,
    )
  }
  const start = headEnd + 4
  const bodiless = isHead || status < 200 || status === 204 || status === 304
  const found = bodiless
    ? { body: Buffer.alloc(0), end: start }
    : parseBody(data, start, headers, over)
  return found && { response: { status, head, headers, body: found.body }, end: found.end }
}

function parseBody(
  data: Buffer,
  start: number,
  headers: ReadonlyMap<string, string>,
  over: boolean,
): { readonly body: Buffer; readonly end: number } | undefined {
  const length = headers.get('content-length')
  if (length !== undefined) {
    const end = start + Number(length)
    return data.length < end ? undefined : { body: data.subarray(start, end), end }
  }
  if (headers.get('transfer-encoding') !== 'chunked') {
    return over ? { body: data.subarray(start), end: data.length } : undefined
  }
  const parts: Buffer[] = []
  let at = start
  for (;;) {
    const lineEnd = data.indexOf('\r\n', at)
    if (lineEnd < 0) return undefined
    const size = Number.parseInt(data.toString('latin1', at, lineEnd), 16)
    const chunkEnd = lineEnd + 2 + size
    if (data.length < chunkEnd + 2) return undefined
    parts.push(data.subarray(lineEnd + 2, chunkEnd))
    at = chunkEnd + 2
    if (size === 0) return { body: Buffer.concat(parts), end: at }
  }
}
