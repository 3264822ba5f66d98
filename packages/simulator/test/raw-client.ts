import net from 'node:net'

/** A client that sees bytes: what a test needs to check what no HTTP library would show. */
export class RawClient {
  readonly socket: net.Socket
  /** How the server closed its side. */
  readonly closed: Promise<'fin' | 'reset'>
  readonly #chunks: Buffer[] = []
  #ended = false
  #wake: (() => void) | undefined

  constructor(port: number) {
    this.socket = net.connect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true })
    this.socket.on('data', (bytes: Buffer) => {
      this.#chunks.push(bytes)
      this.#wake?.()
    })
    this.closed = new Promise((resolve) => {
      const over = (how: 'fin' | 'reset'): void => {
        this.#ended = true
        this.#wake?.()
        resolve(how)
      }
      this.socket.once('end', () => over('fin'))
      this.socket.once('error', () => over('reset'))
      this.socket.once('close', () => over('reset'))
    })
  }

  /** Everything received so far, one character per byte. */
  get text(): string {
    return this.bytes.toString('latin1')
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#chunks)
  }

  /** Waits until what was received satisfies the condition; rejects when the server closes before. */
  async until(condition: (text: string) => boolean): Promise<string> {
    for (;;) {
      if (condition(this.text)) return this.text
      if (this.#ended) {
        throw new Error(`closed after ${this.bytes.length} bytes: ${this.text.slice(-200)}`)
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  write(bytes: string | Buffer): void {
    this.socket.write(bytes)
  }

  close(): void {
    this.socket.destroy()
  }
}

export interface RawRequest {
  readonly method?: string
  readonly path?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

/** The bytes of a request; a body gets its length. */
export function rawRequest({
  method = 'POST',
  path = '/v1/chat/completions',
  headers = {},
  body = '',
}: RawRequest): string {
  const lines = Object.entries({ host: 'simulator', ...headers }).map(
    ([name, value]) => `${name}: ${value}\r\n`,
  )
  const length = method === 'GET' ? '' : `content-length: ${Buffer.byteLength(body)}\r\n`
  return `${method} ${path} HTTP/1.1\r\n${lines.join('')}${length}\r\n${body}`
}

/** The body of a chat request whose only message is the prompt. */
export function chatBody(prompt: string, more: object = {}): string {
  return JSON.stringify({
    model: 'gpt-4.1',
    messages: [{ role: 'user', content: prompt }],
    ...more,
  })
}

/** Sends one chat request and collects everything until the server closes. */
export async function exchangeRaw(
  port: number,
  fault: string,
  body: string,
): Promise<{ text: string; bytes: Buffer; closed: 'fin' | 'reset' }> {
  const client = new RawClient(port)
  client.write(rawRequest({ headers: { 'x-simulator-fault': fault, connection: 'close' }, body }))
  const closed = await client.closed
  client.close()
  return { text: client.text, bytes: client.bytes, closed }
}
