/**
 * The yardstick of `npm run bench -- overhead`: the least that a Node.js proxy can be. node:http in front, undici behind,
 * request body buffered, response streamed, nothing else.
 *
 * Usage: node bench/spike.ts <port> <upstream origin> [<port> <upstream origin> …]
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { Pool, type Dispatcher } from 'undici'

class Relay implements Dispatcher.DispatchHandler {
  readonly #response: ServerResponse
  constructor(response: ServerResponse) {
    this.#response = response
  }
  onRequestStart(): void {}
  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: object,
  ): void {
    this.#response.writeHead(status, { ...headers })
  }
  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#response.write(chunk)) return
    controller.pause()
    this.#response.once('drain', () => controller.resume())
  }
  onResponseEnd(): void {
    this.#response.end()
  }
  onResponseError(): void {
    this.#response.destroy()
  }
}

function relay(pool: Pool, request: IncomingMessage, response: ServerResponse): void {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => {
    const {
      host: _host,
      connection: _connection,
      'content-length': _length,
      ...headers
    } = request.headers
    pool.dispatch(
      {
        path: request.url ?? '/',
        method: (request.method ?? 'GET') as Dispatcher.HttpMethod,
        headers,
        body: chunks.length === 0 ? null : Buffer.concat(chunks),
      },
      new Relay(response),
    )
  })
}

const pairs = process.argv.slice(2)
if (pairs.length === 0 || pairs.length % 2 !== 0) throw new Error('usage: spike.ts <port> <origin>')
for (let i = 0; i < pairs.length; i += 2) {
  const pool = new Pool(pairs[i + 1] ?? '', { connections: 512, pipelining: 1 })
  const server = createServer((request, response) => relay(pool, request, response))
  server.listen(Number(pairs[i]), '127.0.0.1')
}
