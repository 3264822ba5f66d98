import { createServer, type Server } from 'node:http'
import { connect } from 'node:net'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startListener, type Started } from './testing/start.ts'

/** What one server understood of some bytes: every request it saw, as text. */
type Understanding = string[]

let ours: Started
let node: Server
let nodePort = 0
let understood: Understanding = []

beforeAll(async () => {
  ours = await startListener({}, (request, client) => {
    void Promise.resolve(request.body.bytes(1e6)).then(
      (body) => {
        const target = request.rawPath + request.rawQuery
        note(request.method, target, request.headers.flat, Buffer.from(body))
        client.fail(new Error('no answer is needed'))
      },
      () => client.fail(new Error('no answer is needed')),
    )
  })
  node = createServer((request, response) => {
    const parts: Buffer[] = []
    request.on('data', (chunk: Buffer) => parts.push(chunk))
    request.on('end', () => {
      note(request.method ?? '', request.url ?? '', request.rawHeaders, Buffer.concat(parts))
      response.destroy()
    })
  })
  await new Promise<void>((resolve) => node.listen(0, '127.0.0.1', resolve))
  const address = node.address()
  if (typeof address === 'object' && address !== null) nodePort = address.port
})
afterAll(async () => {
  await ours.stop()
  node.close()
})

function note(method: string, target: string, flat: readonly string[], body: Buffer): void {
  understood.push(JSON.stringify([method, target, flat, body.toString('latin1')]))
}

async function ask(port: number, bytes: string): Promise<Understanding> {
  understood = []
  const socket = connect(port, '127.0.0.1')
  await new Promise<void>((resolve) => {
    socket.on('close', () => resolve())
    socket.on('error', () => undefined)
    socket.resume()
    socket.end(Buffer.from(bytes, 'latin1'))
  })
  return understood
}

const fieldLines = fc.array(
  fc.constantFrom(
    'X-A: b',
    'x-a:c',
    'X-B:\t d \t',
    'X-C: \u00e9',
    'Content-Length: 5',
    'Content-Length: 6',
    'Content-Length: 5, 5',
    'Content-Length: 05',
    'Content-Length: +5',
    'Transfer-Encoding: chunked',
    'Transfer-Encoding: CHUNKED',
    'Transfer-Encoding: gzip, chunked',
    'Transfer-Encoding: chunked, chunked',
    'Transfer-Encoding: x',
    'Transfer-Encoding : chunked',
    'Transfer-Encoding:\u000bchunked',
    ' folded',
    'Host: a',
    'X\u0000: a',
    'X: a\rb',
    'X: a\nTransfer-Encoding: chunked',
    'Connection: close',
    'Connection: content-length',
    'Expect: 100-continue',
  ),
  { maxLength: 4 },
)
const bodies = fc.constantFrom(
  '',
  'hello',
  '5\r\nhello\r\n0\r\n\r\n',
  '5;a=b\r\nhello\r\n0\r\nT: u\r\n\r\n',
  '5\nhello\r\n0\r\n\r\n',
  '5\r\nhello0\r\n\r\n',
  '0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n',
  '2\r\nhe\r\n3 \r\nllo\r\n0\r\n\r\n',
)
const lines = fc.constantFrom(
  'POST / HTTP/1.1',
  'GET /a%2fb?c=d HTTP/1.1',
  'PUT //x HTTP/1.0',
  'POST  / HTTP/1.1',
  'POST / HTTP/1.1 ',
  'POST /a b HTTP/1.1',
)
const lineEnds = fc.constantFrom('\r\n', '\r\n', '\r\n', '\n')

test('S01 whatever we take for a request, llhttp takes for the same request, or refuses', async () => {
  let compared = 0
  await fc.assert(
    fc.asyncProperty(lines, fieldLines, bodies, lineEnds, async (line, fields, body, lineEnd) => {
      const bytes = `${[line, 'Host: a', ...fields].join(lineEnd)}${lineEnd}\r\n${body}`
      const [first] = await ask(ours.port, bytes)
      if (first === undefined) return
      const [theirs] = await ask(nodePort, bytes)
      if (theirs === undefined) return
      compared++
      expect(first).toBe(theirs)
    }),
    { numRuns: 400 },
  )
  expect(compared).toBeGreaterThan(20)
})
