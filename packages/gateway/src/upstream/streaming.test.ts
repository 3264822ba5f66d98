import { createServer as createHttpServer } from 'node:http'
import { createServer, type Socket } from 'node:net'
import type { ByteSink, RequestBody } from '@pratu/plugin-kit'
import { GatewayError } from '../errors/index.ts'
import { expect, onTestFinished, test } from 'vitest'
import {
  answer,
  closedPort,
  createClient,
  listen,
  noConnections,
  once,
  rawServer,
  RecordingSink,
  requestOf,
  send,
  start,
  targetingOf,
} from './testing/harness.ts'

const CHUNKED = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'

/** A client's body under the test's control. */
class ScriptedBody implements RequestBody {
  readonly declaredBytes: number | undefined
  readonly empty = false
  readonly completed = false
  readonly replayable = true
  readonly receivedBytes = 0
  sink: ByteSink | undefined
  piped: Promise<ByteSink>
  #started: (sink: ByteSink) => void = () => undefined

  constructor(declaredBytes?: number) {
    this.declaredBytes = declaredBytes
    this.piped = new Promise((resolve) => {
      this.#started = resolve
    })
  }

  pipe(sink: ByteSink): void {
    this.sink = sink
    this.#started(sink)
  }

  limit(): void {
    throw new Error('not used')
  }
  buffer(): never {
    throw new Error('not used')
  }
  bytes(): never {
    throw new Error('not used')
  }
  json(): never {
    throw new Error('not used')
  }
  replace(): void {
    throw new Error('not used')
  }
}

const streamed = (stream: RequestBody) => requestOf({ method: 'POST', stream })

test('F04 a reader that stops stops the upstream: it is paused, and goes on where it was', async () => {
  const block = Buffer.alloc(65_536, 'x')
  let blocked = false
  let written = 0
  const server = await rawServer((socket) => {
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${block.length * 400}\r\n\r\n`)
    const push = (): void => {
      while (written < 400) {
        written++
        if (!socket.write(block)) {
          blocked = true
          socket.once('drain', push)
          return
        }
      }
    }
    push()
  })
  const sink = start(createClient(), targetingOf(server.port), requestOf())
  sink.wantsMore = false
  await sink.until(() => sink.bytes > 0)
  const upstreamSocket = server.sockets[0]
  let before = -1
  // Until the server can write no more: kernel buffers on both sides are full.
  while (before !== written || upstreamSocket?.writableNeedDrain !== true) {
    before = written
    await new Promise((resolve) => {
      setTimeout(resolve, 20)
    })
  }
  expect(blocked).toBe(true)
  expect(written).toBeLessThan(400)
  expect(sink.log.filter((entry) => entry === 'data')).toHaveLength(1)
  sink.wantsMore = true
  sink.call.resume()
  await sink.until(() => sink.done)
  expect(sink).toMatchObject({ ended: true, bytes: block.length * 400 })
})

test('F04 a sink may resume from within data', async () => {
  const server = await rawServer((socket) => socket.write(answer('x'.repeat(200_000))))
  class Eager extends RecordingSink {
    override data(chunk: Uint8Array): boolean {
      super.data(chunk)
      this.call?.resume()
      return false
    }
  }
  const sink = new Eager()
  sink.call = createClient().send(targetingOf(server.port), requestOf(), sink)
  await sink.until(() => sink.done)
  expect(sink).toMatchObject({ ended: true, bytes: 200_000 })
})

test('F04 one reader may resume another from within its own data', async () => {
  const server = await rawServer((socket) => socket.write(answer('x'.repeat(300_000))))
  const client = createClient()
  const paused = start(client, targetingOf(server.port), requestOf())
  paused.wantsMore = false
  await paused.until(() => paused.bytes > 0)
  class Waker extends RecordingSink {
    override data(chunk: Uint8Array): boolean {
      paused.wantsMore = true
      paused.call.resume()
      return super.data(chunk)
    }
  }
  const waker = new Waker()
  client.send(targetingOf(server.port), requestOf(), waker)
  await Promise.all([waker.until(() => waker.done), paused.until(() => paused.done)])
  expect([paused.bytes, waker.bytes]).toEqual([300_000, 300_000])
})

test('F05 a call cancelled before the first byte closes its upstream connection at once and is not heard of again', async () => {
  const server = await rawServer(() => undefined)
  const client = createClient()
  const sink = start(client, targetingOf(server.port, { retries: 5 }), requestOf())
  await sink.until(() => sink.sent === 1)
  while (server.requests.length === 0) await new Promise(setImmediate)
  const [socket] = server.sockets
  const closed = socket === undefined ? undefined : once(socket, 'close')
  const cancelledAt = performance.now()
  sink.call.cancel()
  sink.call.cancel()
  await closed
  expect(performance.now() - cancelledAt).toBeLessThan(250)
  await noConnections(client)
  expect(sink.log).toEqual(['sending'])
  expect(server.requests).toHaveLength(1)
})

test('F06 a call cancelled in the middle of a stream closes its upstream connection at once', async () => {
  const server = await rawServer((socket) => {
    socket.write(CHUNKED)
    const timer = setInterval(() => socket.write('5\r\nhello\r\n'), 1)
    socket.once('close', () => clearInterval(timer))
  })
  const client = createClient()
  const sink = start(client, targetingOf(server.port), requestOf())
  await sink.until(() => sink.bytes >= 50)
  const [socket] = server.sockets
  const closed = socket === undefined ? undefined : once(socket, 'close')
  const cancelledAt = performance.now()
  sink.call.cancel()
  const { length } = sink.log
  await closed
  expect(performance.now() - cancelledAt).toBeLessThan(250)
  await noConnections(client)
  expect(sink.log).toHaveLength(length)
  expect(sink.done).toBe(false)
})

test('F06 a call may be cancelled from within its own sink, in every callback', async () => {
  const server = await rawServer((socket) => socket.write(`${CHUNKED}5\r\nhello\r\n0\r\n\r\n`))
  const client = createClient()
  for (const moment of ['sending', 'head', 'data'] as const) {
    const sink = new RecordingSink()
    const original = sink[moment].bind(sink)
    Object.assign(sink, {
      [moment]: (...values: never[]) => {
        const result: unknown = Reflect.apply(original, sink, values)
        call.cancel()
        return result
      },
    })
    const call = client.send(targetingOf(server.port), requestOf(), sink)
    await sink.until(() => sink.log.includes(moment))
    await noConnections(client)
    expect(sink.log.at(-1)).toBe(moment)
  }
  expect((await send(client, targetingOf(server.port))).body).toBe('hello')
})

test('F05 a call cancelled while it connects opens nothing', async () => {
  const server = await rawServer((socket) => socket.write(answer('x')))
  const client = createClient()
  const sink = start(client, targetingOf(server.port), requestOf())
  sink.call.cancel()
  await send(client, targetingOf(server.port, { key: 'other' }))
  expect(sink.log).toEqual([])
  expect(server.requests).toHaveLength(1)
})

test('T16 no call gets another’s bytes, with a tenth of the calls cancelled at any moment', async () => {
  const server = createHttpServer((request, response) => {
    const nonce = request.url ?? ''
    response.write(nonce)
    setImmediate(() => response.end(nonce))
  })
  const port = await listen(server)
  onTestFinished(() => void server.close())
  const client = createClient()
  const targeting = targetingOf(port)
  let next = 0
  const wrong: string[] = []
  let cancelled = 0
  const lane = async (): Promise<void> => {
    while (next < 3_000) {
      const index = next++
      const sink = start(client, targeting, requestOf({ path: `/${index}` }))
      if (index % 10 === 0) {
        cancelled++
        const moment = index % 40
        if (moment === 10) await sink.until(() => sink.sent > 0)
        if (moment === 20) await sink.until(() => sink.status !== undefined)
        if (moment === 30) await sink.until(() => sink.bytes > 0)
        sink.call.cancel()
        continue
      }
      await sink.until(() => sink.done)
      if (sink.text !== `/${index}/${index}`) wrong.push(`${index}: ${sink.text}`)
    }
  }
  await Promise.all(Array.from({ length: 16 }, lane))
  expect(wrong).toEqual([])
  expect(cancelled).toBe(300)
  await client.close(0)
  await noConnections(client)
})

test('a body of known length is streamed with that length, piece by piece', async () => {
  let head = ''
  let text = ''
  const server = createHttpServer((request, response) => {
    head = JSON.stringify(request.headers)
    request.setEncoding('latin1')
    request.on('data', (chunk: string) => {
      text += chunk
      response.write(`got ${chunk};`)
    })
    request.on('end', () => response.end())
  })
  const port = await listen(server)
  onTestFinished(() => void server.close())
  const body = new ScriptedBody(6)
  const sink = start(createClient(), targetingOf(port), streamed(body))
  const pipe = await body.piped
  pipe.write(Buffer.from('abc'))
  // The upstream answers while the request is still under way.
  await sink.until(() => sink.text === 'got abc;')
  pipe.write(Buffer.from('def'))
  pipe.end()
  await sink.until(() => sink.done)
  expect(text).toBe('abcdef')
  expect(head).toContain('"content-length":"6"')
  expect(head).not.toContain('transfer-encoding')
})

test('a body of unknown length is sent chunked, and a connection that carried it is reused', async () => {
  const heads: string[] = []
  const server = createHttpServer((request, response) => {
    heads.push(JSON.stringify(request.headers))
    let bytes = 0
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length
    })
    request.on('end', () => response.end(String(bytes)))
  })
  const port = await listen(server)
  onTestFinished(() => void server.close())
  const client = createClient()
  for (let i = 0; i < 3; i++) {
    const body = new ScriptedBody()
    const sink = start(client, targetingOf(port), streamed(body))
    const pipe = await body.piped
    pipe.write(Buffer.alloc(1_000))
    await new Promise(setImmediate)
    pipe.write(Buffer.alloc(500))
    pipe.end()
    await sink.until(() => sink.done)
    expect(sink.text).toBe('1500')
  }
  expect(heads[0]).toContain('"transfer-encoding":"chunked"')
  expect(heads[0]).not.toContain('content-length')
  expect(client.connections()).toBe(1)
})

test('F04 a client is not read faster than the upstream takes its body', async () => {
  const sockets: Socket[] = []
  const server = createServer((socket) => {
    sockets.push(socket)
    socket.pause()
  })
  const port = await listen(server)
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const body = new ScriptedBody()
  const sink = start(createClient(), targetingOf(port), streamed(body))
  const pipe = await body.piped
  const piece = Buffer.alloc(65_536)
  let accepted = 0
  const push = async (): Promise<void> => {
    while (accepted < 100_000_000) {
      const more = pipe.write(piece)
      accepted += piece.length
      if (!more) {
        const drained = await Promise.race([
          new Promise<boolean>((resolve) => pipe.onDrain(() => resolve(true))),
          new Promise<boolean>((resolve) => {
            setTimeout(resolve, 150, false)
          }),
        ])
        if (!drained) return
      }
    }
  }
  await push()
  // Kernel buffers of loopback take a few megabytes, the process itself next to nothing.
  expect(accepted).toBeLessThan(30_000_000)
  let received = 0
  const resumed = new Promise<void>((resolve) => pipe.onDrain(() => resolve()))
  sockets[0]?.on('data', (chunk: Buffer) => {
    received += chunk.length
  })
  sockets[0]?.resume()
  await resumed
  expect(received).toBeGreaterThan(0)
  sink.call.cancel()
})

test('an upstream that takes nothing more of a streamed body runs into the write timeout', async () => {
  const sockets: Socket[] = []
  const server = createServer((socket) => {
    sockets.push(socket)
    socket.pause()
  })
  const port = await listen(server)
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const body = new ScriptedBody()
  const targeting = targetingOf(port, { writeTimeoutMs: 100, readTimeoutMs: 20 })
  const sink = start(createClient(), targeting, streamed(body))
  const pipe = await body.piped
  const piece = Buffer.alloc(1_000_000)
  const push = (): void => {
    while (pipe.write(piece));
    pipe.onDrain(push)
  }
  push()
  await sink.until(() => sink.done)
  expect(sink.failure).toMatchObject({ code: 'upstream_timeout', requestSent: 'part' })
})

test('a client that pauses in the middle of its body is no upstream timeout', async () => {
  const server = createHttpServer((request, response) => {
    request.resume()
    request.on('end', () => response.end('ok'))
  })
  const port = await listen(server)
  onTestFinished(() => void server.close())
  const body = new ScriptedBody()
  const targeting = targetingOf(port, { writeTimeoutMs: 30, readTimeoutMs: 30 })
  const sink = start(createClient(), targeting, streamed(body))
  const pipe = await body.piped
  pipe.write(Buffer.from('a'))
  await send(
    createClient(),
    targetingOf((await rawServer(() => undefined)).port, { readTimeoutMs: 150 }),
  )
  expect(sink.done).toBe(false)
  pipe.end()
  await sink.until(() => sink.done)
  expect(sink).toMatchObject({ ended: true, text: 'ok' })
})

test('a body that the client breaks off ends the call with the client’s own error', async () => {
  const server = await rawServer(() => undefined)
  const client = createClient()
  const body = new ScriptedBody()
  const sink = start(client, targetingOf(server.port, { retries: 5 }), streamed(body))
  const pipe = await body.piped
  pipe.write(Buffer.from('abc'))
  const error = new GatewayError('request_timeout')
  pipe.fail(error)
  await sink.until(() => sink.done)
  expect(sink.failure).toMatchObject({ code: 'request_timeout', cause: error })
  await noConnections(client)
})

test('F38 a streamed body is retried while nothing of it was taken, and not afterwards', async () => {
  const server = await rawServer((socket) => socket.write(answer('ok')))
  const client = createClient()
  const fresh = new ScriptedBody(2)
  const targeting = targetingOf([await closedPort(), server.port], { retries: 3 })
  const sink = start(client, targeting, streamed(fresh))
  const pipe = await fresh.piped
  pipe.write(Buffer.from('ab'))
  pipe.end()
  await sink.until(() => sink.done)
  expect(sink).toMatchObject({ ended: true, text: 'ok' })

  const cutting = await rawServer(
    () => undefined,
    (socket) => socket.once('data', () => socket.resetAndDestroy()),
  )
  const taken = new ScriptedBody()
  const put = { ...streamed(taken), method: 'PUT' }
  const failing = start(client, targetingOf(cutting.port, { key: 'cut', retries: 3 }), put)
  const second = await taken.piped
  second.write(Buffer.from('ab'))
  await failing.until(() => failing.done)
  expect(failing.failure).toMatchObject({ code: 'upstream_reset', requestSent: 'part' })
  expect(failing.call.tries).toHaveLength(1)
})

test('an answer that comes before the whole body ends the call; the client is read no further', async () => {
  const server = await rawServer(
    () => undefined,
    (socket) => {
      socket.once('data', () =>
        socket.write('HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno'),
      )
    },
  )
  const client = createClient()
  const body = new ScriptedBody()
  const sink = start(client, targetingOf(server.port), streamed(body))
  const pipe = await body.piped
  pipe.write(Buffer.from('abc'))
  await sink.until(() => sink.done)
  expect(sink).toMatchObject({ ended: true, status: 413, text: 'no' })
  expect(pipe.write(Buffer.from('more'))).toBe(false)
  pipe.end()
  await noConnections(client)
})

test('an empty stream is no body', async () => {
  const server = await rawServer((socket) => socket.write(answer('')))
  const body = Object.assign(new ScriptedBody(0), { empty: true })
  await send(createClient(), targetingOf(server.port), streamed(body))
  expect(server.requests[0]).toMatch(/content-length: 0$/)
  expect(body.sink).toBeUndefined()
})
