/**
 * The yardstick of `npm run bench -- overhead`: the least that a Node.js proxy can be. node:http in front, undici behind,
 * request body buffered, response streamed, nothing else.
 *
 * Usage: node bench/spike.ts <port> <upstream origin>
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { Pool, type Dispatcher } from 'undici'

const [port, origin] = process.argv.slice(2)
if (port === undefined || origin === undefined) throw new Error('usage: spike.ts <port> <origin>')
const pool = new Pool(origin, { connections: 512, pipelining: 1 })

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

function relay(request: IncomingMessage, response: ServerResponse): void {
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

createServer(relay).listen(Number(port), '127.0.0.1')
