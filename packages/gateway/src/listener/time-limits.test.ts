import { afterEach, expect, test } from 'vitest'
import { HeaderList } from '../http/index.ts'
import {
  answer,
  answerError,
  startListener,
  type Started,
  type TestOptions,
} from './testing/start.ts'
import type { RequestListener } from './index.ts'

let started: Started | undefined
afterEach(async () => {
  await started?.stop()
  started = undefined
})

async function start(options: TestOptions = {}, onRequest?: RequestListener): Promise<Started> {
  started = await startListener(options, onRequest)
  return started
}

const HEAD = 'POST /x HTTP/1.1\r\nHost: a\r\n'

test('F01 a head that never ends gets 408 and a close at the header timeout', async () => {
  const { connect, seen, refused } = await start({ limits: { headersTimeoutMs: 200 } })
  const client = await connect()
  const begun = performance.now()
  client.send('GET / HTTP/1.1\r\nHost: a\r\nX-Slow')
  const response = await client.response()
  expect(response.status).toBe(408)
  expect(response.headers.get('connection')).toBe('close')
  expect(performance.now() - begun).toBeGreaterThan(100)
  await client.serverClosed()
  expect(client.reset).toBe(false)
  expect(seen).toHaveLength(0)
  expect(refused).toEqual([{ code: 'request_timeout', phase: 'headers', reason: 'header timeout' }])
})

test('F01 bytes that keep coming do not postpone the header timeout', async () => {
  const { connect } = await start({ limits: { headersTimeoutMs: 200 } })
  const client = await connect()
  client.send('GET / HTTP/1.1\r\n')
  const drip = setInterval(() => client.send('X: y\r\n'), 20)
  const begun = performance.now()
  const response = await client.response()
  clearInterval(drip)
  expect(response.status).toBe(408)
  expect(performance.now() - begun).toBeLessThan(600)
})

test('F01 a connection that never says anything is closed without a word', async () => {
  const { connect } = await start({ limits: { headersTimeoutMs: 100 } })
  const client = await connect()
  await client.serverClosed()
  expect(client.text).toBe('')
  expect(client.reset).toBe(false)
})

test('F01 F11 a second head on a kept connection has a header timeout of its own', async () => {
  const { connect } = await start({ limits: { headersTimeoutMs: 100, keepAliveTimeoutMs: 400 } })
  const client = await connect()
  await client.ask('GET /1 HTTP/1.1\r\nHost: a\r\n\r\n')
  client.send('GET /2')
  expect((await client.response()).status).toBe(408)
})

test('F01 hundreds of slow heads are all closed while a victim is served', async () => {
  const { connect, listener } = await start({ limits: { headersTimeoutMs: 200 } })
  const slow = await Promise.all(Array.from({ length: 200 }, () => connect()))
  for (const client of slow) client.send('GET / HTTP/1.1\r\nX: ')
  const victim = await connect()
  const served = await victim.ask('GET /victim HTTP/1.1\r\nHost: a\r\n\r\n')
  expect(served.status).toBe(200)
  const answers = await Promise.all(slow.map((client) => client.response()))
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([408]))
  await Promise.all(slow.map((client) => client.serverClosed()))
  for (const client of slow) client.destroy()
  await expect.poll(() => listener.connections).toBeLessThanOrEqual(1)
})

test('F02 a body below the floor rate gets 408 after the grace time', async () => {
  const { connect, refused } = await start({
    limits: { bodyTimeoutMs: 10_000, bodyGraceMs: 100, bodyFloorBytesPerSecond: 1024 },
  })
  const client = await connect()
  const begun = performance.now()
  client.send(`${HEAD}Content-Length: 100\r\n\r\nabc`)
  const response = await client.response()
  expect(response.status).toBe(408)
  expect(response.headers.get('connection')).toBe('close')
  expect(performance.now() - begun).toBeGreaterThanOrEqual(50)
  expect(refused.at(-1)).toMatchObject({ code: 'request_timeout', phase: 'body' })
  await client.serverClosed()
})

test('F02 a body above the floor rate still ends at the body timeout', async () => {
  const { connect } = await start({
    limits: { bodyTimeoutMs: 300, bodyGraceMs: 50, bodyFloorBytesPerSecond: 10 },
  })
  const client = await connect()
  client.send(`${HEAD}Content-Length: 100000\r\n\r\n`)
  const drip = setInterval(() => client.send('x'.repeat(100)), 20)
  const response = await client.response()
  clearInterval(drip)
  expect(response.status).toBe(408)
})

test('F02 memory of a body that times out is given back', async () => {
  const { connect, memory } = await start({ limits: { bodyTimeoutMs: 150 } })
  const client = await connect()
  client.send(`${HEAD}Content-Length: 100000\r\n\r\n${'x'.repeat(5000)}`)
  await expect.poll(() => memory.used).toBeGreaterThan(0)
  expect((await client.response()).status).toBe(408)
  await client.serverClosed()
  expect(memory.used).toBe(0)
})

test('F02 time in which we did not read does not count against the client', async () => {
  let proceed = (): void => undefined
  const { connect, seen } = await start(
    { limits: { bodyTimeoutMs: 150, bodyGraceMs: 50 } },
    (request, client) => {
      proceed = () => {
        const body = request.body.bytes(1e6)
        if (body instanceof Uint8Array) answer(client, 200, 'early')
        else void body.then((bytes) => answer(client, 200, String(bytes.length)))
      }
    },
  )
  const client = await connect()
  client.send(`${HEAD}Content-Length: 1000\r\n\r\n${'x'.repeat(900)}`)
  await expect.poll(() => seen.length).toBe(1)
  await new Promise((resolve) => setTimeout(resolve, 400))
  proceed()
  client.send('x'.repeat(100))
  expect((await client.response()).body.toString()).toBe('1000')
})

test('F03 a reader that stopped is cut at the write stall, and told as client_stalled', async () => {
  const body = Buffer.alloc(32 * 1024 * 1024, 'x')
  const departures: string[] = []
  let finished = 0
  const { connect, listener } = await start(
    { limits: { writeStallMs: 200 } },
    (_request, client) => {
      client.onDeparture((departure) => departures.push(departure))
      client.onFinished(() => finished++)
      client.head({ status: 200, headers: new HeaderList(['Content-Length', String(body.length)]) })
      client.write(body)
      client.end()
    },
  )
  const client = await connect()
  client.socket.pause()
  client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  await expect.poll(() => departures, { timeout: 3000 }).toEqual(['client_stalled'])
  expect(finished).toBe(1)
  await expect.poll(() => listener.connections).toBe(0)
})

test('F03 a slow reader that makes progress is not cut', async () => {
  const body = Buffer.alloc(16 * 1024 * 1024, 'x')
  const { connect, seen } = await start({ limits: { writeStallMs: 200 } }, (_request, client) => {
    client.head({ status: 200, headers: new HeaderList(['Content-Length', String(body.length)]) })
    client.write(body)
    client.end()
  })
  const client = await connect()
  client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  let paused = 0
  client.socket.on('data', () => {
    if (client.totalBytes < (paused + 1) * 1024 * 1024) return
    paused++
    client.socket.pause()
    setTimeout(() => client.socket.resume(), 50)
  })
  await client.until(() => client.totalBytes > body.length)
  expect(paused).toBeGreaterThan(8)
  expect(seen[0]?.client.departed).toBeUndefined()
})

test('F04 write tells when the reader is behind, and drains when it has caught up', async () => {
  const chunk = Buffer.alloc(64 * 1024, 'x')
  let sent = 0
  let drains = 0
  const { connect } = await start({ limits: { writeStallMs: 5000 } }, (_request, client) => {
    client.head({ status: 200, headers: new HeaderList() })
    const fill = (): void => {
      while (sent < 400) {
        sent++
        if (client.write(chunk)) continue
        client.onDrain(() => {
          drains++
          fill()
        })
        return
      }
      client.end()
    }
    fill()
  })
  const client = await connect()
  client.socket.pause()
  client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  let before = -1
  await expect
    .poll(() => {
      const settled = sent > 0 && sent === before
      before = sent
      return settled
    })
    .toBe(true)
  expect(sent).toBeLessThan(400)
  client.socket.resume()
  await client.until(() => client.totalBytes > 400 * chunk.length)
  expect((await client.response()).body.length).toBe(400 * chunk.length)
  expect(drains).toBeGreaterThan(0)
})

test('F11 an idle connection ends by FIN at the keep-alive timeout, which is told 3 s shorter', async () => {
  const { connect } = await start({ limits: { keepAliveTimeoutMs: 200 } })
  const client = await connect()
  await client.ask('GET /1 HTTP/1.1\r\nHost: a\r\n\r\n')
  const begun = performance.now()
  await client.serverClosed()
  expect(client.reset).toBe(false)
  expect(performance.now() - begun).toBeGreaterThan(100)
})

test('F11 with the default of 75 s clients are told 72 s', async () => {
  const { connect } = await start({ limits: { keepAliveTimeoutMs: 75_000 } })
  const client = await connect()
  const response = await client.ask('GET /1 HTTP/1.1\r\nHost: a\r\n\r\n')
  expect(response.headers.get('connection')).toBe('keep-alive')
  expect(response.headers.get('keep-alive')).toBe('timeout=72')
})

test('F11 requests at the idle edge are answered, or the close was there first: never a reset', async () => {
  const keepAliveTimeoutMs = 200
  const { connect } = await start({ limits: { keepAliveTimeoutMs } })
  const outcomes = await Promise.all(
    Array.from({ length: 200 }, async (_, i) => {
      const client = await connect()
      await client.ask('GET /1 HTTP/1.1\r\nHost: a\r\n\r\n')
      await new Promise((resolve) => setTimeout(resolve, keepAliveTimeoutMs - 50 + (i % 100)))
      if (client.ended) return 'closed first'
      client.send('GET /2 HTTP/1.1\r\nHost: a\r\n\r\n')
      await client.until(() => client.text.includes('GET /2') || client.ended || client.reset)
      if (client.text.includes('GET /2')) return 'answered'
      return client.reset ? 'reset' : 'closed first'
    }),
  )
  expect(outcomes.filter((outcome) => outcome === 'reset')).toEqual([])
  expect(outcomes).toContain('answered')
})

test('a body read for nobody is not timed: the exchange decides', async () => {
  const { connect } = await start(
    { limits: { bodyTimeoutMs: 100, bodyGraceMs: 50 } },
    (_request, client) => {
      setTimeout(() => answer(client, 200, 'unread'), 300)
    },
  )
  const client = await connect()
  const response = await client.ask(`${HEAD}Content-Length: 10\r\n\r\nabc`)
  expect(response.body.toString()).toBe('unread')
  expect(response.headers.get('connection')).toBe('close')
})

test('F02 a piped body that is too slow fails its sink with 408', async () => {
  const { connect } = await start(
    { limits: { bodyTimeoutMs: 150, bodyGraceMs: 50 } },
    (request, client) => {
      request.body.pipe({
        write: () => true,
        onDrain: () => undefined,
        end: () => answer(client, 200, 'complete'),
        fail: (error) => answerError(client, error),
      })
    },
  )
  const client = await connect()
  const response = await client.ask(`${HEAD}Content-Length: 10\r\n\r\nabc`)
  expect(response.status).toBe(408)
})
