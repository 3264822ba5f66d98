import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A provider whose streams go on until the test lets them end. */
export interface HeldStreams extends AsyncDisposable {
  readonly url: string
  /** Streams that have begun and not ended. */
  readonly open: number
  /** Sends each its terminal event. */
  finish(): void
}

function event(content: string): string {
  return `data: ${JSON.stringify({ object: 'chat.completion.chunk', model: 'gpt-4.1', choices: [{ index: 0, delta: { content } }] })}\n\n`
}

export async function startHeldStreams(): Promise<HeldStreams> {
  const held = new Set<ServerResponse>()
  const server = createServer((request, response) => {
    request.resume()
    response.writeHead(200, { 'Content-Type': 'text/event-stream' })
    response.write(event('held'))
    held.add(response)
    response.on('close', () => held.delete(response))
  })
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    get open() {
      return held.size
    },
    finish() {
      for (const response of held) response.end(`${event('the end')}data: [DONE]\n\n`)
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise<void>((resolve) => void server.close(() => resolve()))
    },
  }
}
