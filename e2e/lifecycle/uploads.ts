/**
 * A process of its own for heavy uploads, so that whoever measures the gateway is not held up by them: an upstream that
 * swallows bodies, and clients that send them. Its first line tells the upstream's port; the gateway's port comes on
 * standard input; at the end of the input it tells what was answered, by status.
 *
 * Usage: node uploads.ts <clients> <bytes of a body>
 */
import { Agent, createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createInterface } from 'node:readline'

const [clients = 1, bytes = 1] = process.argv.slice(2).map(Number)
const body = Buffer.alloc(bytes, 'x')
const answers: Record<string, number> = {}
let stopped = false

function upload(port: number, agent: Agent): Promise<string> {
  return new Promise((resolve) => {
    const sent = request(
      { host: '127.0.0.1', port, path: '/chat', method: 'POST', agent },
      (response) => {
        response.resume()
        response.on('end', () => resolve(String(response.statusCode)))
        response.on('error', () => resolve('cut'))
      },
    )
    // A refusal may close the connection under an upload that is still going on.
    sent.on('error', () => resolve('cut'))
    sent.end(body)
  })
}

async function client(port: number): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  while (!stopped) {
    const answer = await upload(port, agent)
    answers[answer] = (answers[answer] ?? 0) + 1
    // Whoever is refused with Retry-After waits, as a client should.
    if (answer !== '200') await new Promise((resolve) => setTimeout(resolve, 1000))
  }
}

const upstream = createServer((incoming, response) => {
  incoming.resume()
  incoming.on('end', () => response.end('{}'))
})
upstream.listen(0, '127.0.0.1', () => {
  process.stdout.write(`${(upstream.address() as AddressInfo).port}\n`)
})
const lines = createInterface({ input: process.stdin })
lines.once('line', (line) => {
  for (let i = 0; i < clients; i++) void client(Number(line))
})
lines.once('close', () => {
  stopped = true
  process.stdout.write(`${JSON.stringify(answers)}\n`)
})
