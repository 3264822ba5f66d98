/**
 * An upstream that streams the same events to everybody, each in a write of its own, and counts them. A program:
 * `node event-upstream.ts <port>`. `PUT /pace/<ms>` sets the time between two events of a stream, 0 for as fast as they
 * are taken; `GET /written` tells how many were written so far.
 */
import { createServer, type ServerResponse } from 'node:http'
import { EVENTS } from './payloads.ts'

let paceMs = 10
let written = 0

function stream(response: ServerResponse): void {
  let next = 0
  response.writeHead(200, {
    'Content-Type': 'text/event-stream',
    // nginx would gather the events otherwise.
    'X-Accel-Buffering': 'no',
  })
  const write = (): boolean => {
    const ready = response.write(EVENTS[next++] ?? '')
    written++
    if (next === EVENTS.length) response.end()
    return ready
  }
  if (paceMs > 0) {
    const timer = setInterval(() => {
      write()
      if (next === EVENTS.length) clearInterval(timer)
    }, paceMs)
    response.on('close', () => clearInterval(timer))
    return
  }
  const goOn = (): void => {
    if (next === EVENTS.length || response.destroyed) return
    if (write()) setImmediate(goOn)
    else response.once('drain', goOn)
  }
  goOn()
}

createServer((request, response) => {
  const { url = '/' } = request
  request.resume()
  if (url.startsWith('/pace/')) paceMs = Number(url.slice('/pace/'.length))
  if (url === '/written' || url.startsWith('/pace/')) response.end(String(written))
  else request.on('end', () => stream(response))
}).listen(Number(process.argv[2]), '127.0.0.1')
