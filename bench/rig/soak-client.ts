import { connect, type Socket } from 'node:net'

/** What a run of clients saw. */
export interface SoakCounts {
  /** Requests sent, the aborted ones included. */
  requests: number
  answered: number
  aborted: number
  /** Answers that were not 200, or broke off. */
  failed: number
  /** Markers of other requests found in an answer. */
  foreign: number
  /** Complete answers without the marker of their own request. */
  unmarked: number
}

export interface SoakOptions {
  readonly port: number
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly connections: number
  readonly requests: number
  /** Share of the requests that stream. */
  readonly streamShare: number
  /** Share of the requests that are given up, some before the answer begins and some in the middle of it. */
  readonly abortShare: number
}

/** So many letters stay one token of the simulator's, so that a marker is never cut by an event. */
const MARKER = /zq[a-j]{9}q/g
const DIGITS = 'abcdefghij'

/**
 * Sends requests, each with a marker of its own that its answer must carry, and looks for the markers of others in
 * whatever comes back.
 */
export async function runSoak(options: SoakOptions): Promise<SoakCounts> {
  const counts = { requests: 0, answered: 0, aborted: 0, failed: 0, foreign: 0, unmarked: 0 }
  const clients = Array.from({ length: options.connections }, () => new Client(options, counts))
  await Promise.all(clients.map((client) => client.run()))
  return counts
}

let ordinal = 0

function nextMarker(): string {
  const digits = String(ordinal++).padStart(9, '0')
  return `zq${Array.from(digits, (digit) => DIGITS[Number(digit)]).join('')}q`
}

class Client {
  readonly #options: SoakOptions
  readonly #counts: SoakCounts
  #socket: Socket | undefined
  #received = ''
  #marker = ''
  #onEnd: (() => void) | undefined
  /** Characters after which the answer is given up; -1 for never. */
  #abortAfter = -1

  constructor(options: SoakOptions, counts: SoakCounts) {
    this.#options = options
    this.#counts = counts
  }

  async run(): Promise<void> {
    while (this.#counts.requests < this.#options.requests) {
      this.#counts.requests++
      await this.#request()
    }
    const socket = this.#socket
    this.#socket = undefined
    socket?.destroy()
  }

  #request(): Promise<void> {
    const { abortShare, streamShare } = this.#options
    this.#marker = nextMarker()
    this.#received = ''
    this.#abortAfter = Math.random() < abortShare ? Math.floor(Math.random() * 2000) - 500 : -1
    const socket = (this.#socket ??= this.#connect())
    socket.write(this.#text(Math.random() < streamShare))
    return new Promise((resolve) => {
      this.#onEnd = resolve
      // Before a single byte of the answer.
      if (this.#abortAfter !== -1 && this.#abortAfter <= 0) setImmediate(() => this.#abort(socket))
    })
  }

  #text(stream: boolean): string {
    const { path, headers, port } = this.#options
    const prompt = `nonce:${this.#marker} tokens:${stream ? 12 : 24}`
    const body = JSON.stringify({
      model: 'gpt-4.1',
      messages: [{ role: 'user', content: prompt }],
      ...(stream && { stream, stream_options: { include_usage: true } }),
    })
    const fields = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
    return `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nContent-Type: application/json\r\n${fields.join('')}Content-Length: ${body.length}\r\n\r\n${body}`
  }

  #connect(): Socket {
    const socket = connect({ port: this.#options.port, host: '127.0.0.1', noDelay: true })
    socket.setEncoding('latin1')
    socket.on('data', (text: string) => this.#take(socket, text))
    // `close` follows.
    socket.on('error', () => undefined)
    socket.on('close', () => {
      if (this.#socket !== socket) return
      this.#socket = undefined
      this.#counts.failed++
      this.#end()
    })
    return socket
  }

  #take(socket: Socket, text: string): void {
    if (this.#socket !== socket) return
    this.#received += text
    if (this.#abortAfter > 0 && this.#received.length >= this.#abortAfter) {
      this.#abort(socket)
      return
    }
    if (!isComplete(this.#received)) return
    if (this.#received.startsWith('HTTP/1.1 200 ')) this.#counts.answered++
    else this.#counts.failed++
    if (!this.#inspect()) this.#counts.unmarked++
    this.#end()
  }

  #abort(socket: Socket): void {
    if (this.#socket !== socket) return
    this.#socket = undefined
    socket.destroy()
    this.#counts.aborted++
    this.#inspect()
    this.#end()
  }

  /** @returns whether its own marker is there. */
  #inspect(): boolean {
    let own = false
    for (const [marker] of this.#received.matchAll(MARKER)) {
      if (marker === this.#marker) own = true
      else this.#counts.foreign++
    }
    return own
  }

  #end(): void {
    const resolve = this.#onEnd
    this.#onEnd = undefined
    this.#received = ''
    resolve?.()
  }
}

function isComplete(text: string): boolean {
  const head = text.indexOf('\r\n\r\n')
  if (head < 0) return false
  const length = /\r\ncontent-length: (\d+)/i.exec(text.slice(0, head + 2))?.[1]
  return length === undefined
    ? text.endsWith('\r\n0\r\n\r\n')
    : text.length >= head + 4 + Number(length)
}
