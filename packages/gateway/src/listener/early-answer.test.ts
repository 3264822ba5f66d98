import { afterEach, expect, test } from 'vitest'
import {
  answer,
  answerError,
  echo,
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

const POST = 'POST /x HTTP/1.1\r\nHost: a\r\n'
const unauthorised: RequestListener = (_request, client) => answer(client, 401, 'no')

test('F08 an answer before the body says close, and the client that keeps pushing still reads it', async () => {
  const { connect } = await start({ lingerMs: 400 }, unauthorised)
  const client = await connect()
  const begun = performance.now()
  client.send(`${POST}Content-Length: 10000000000\r\n\r\n`)
  const chunk = Buffer.alloc(256 * 1024)
  let pushing = true
  const push = (): void => {
    while (pushing && client.socket.write(chunk));
  }
  client.socket.on('drain', push)
  client.socket.on('error', () => (pushing = false))
  push()
  const response = await client.response()
  expect(response.status).toBe(401)
  expect(response.headers.get('connection')).toBe('close')
  expect(client.reset).toBe(false)
  await client.until(() => client.closed || client.reset)
  expect(performance.now() - begun).toBeLessThan(2000)
  // What was taken: the linger allowance and the buffers of two kernels, of 10 GB that were promised.
  expect(client.socket.bytesWritten - client.socket.writableLength).toBeLessThan(64 * 1024 * 1024)
})

test('F08 no more than the linger allowance is read after the answer', async () => {
  const { connect } = await start({ lingerMs: 200, lingerBytes: 100_000 }, unauthorised)
  const client = await connect()
  client.send(`${POST}Content-Length: 10000000\r\n\r\n`)
  expect((await client.response()).status).toBe(401)
  const chunk = Buffer.alloc(1024 * 1024)
  let taken = 0
  for (let i = 0; i < 64; i++)
    client.socket.write(chunk, (error) => (taken += error == null ? 1 : 0))
  await client.until(() => client.closed || client.reset)
  // The buffers of two kernels, and hardly more.
  expect(taken).toBeLessThan(32)
})

test('F08 a small body behind an early answer is drained, and the close is a FIN', async () => {
  const { connect } = await start({}, unauthorised)
  const client = await connect()
  client.send(`${POST}Content-Length: 100000\r\n\r\n`)
  expect((await client.response()).status).toBe(401)
  client.send('x'.repeat(100_000))
  client.finish()
  await client.until(() => client.closed)
  expect(client.reset).toBe(false)
})

test('F08 an answer that comes while the body is piped says close as well', async () => {
  const { connect } = await start({}, (request, client) => {
    const failures: string[] = []
    request.body.pipe({
      write: () => true,
      onDrain: () => undefined,
      end: () => undefined,
      fail: (error) => failures.push(error.message),
    })
    answer(client, 200, 'early')
    expect(failures).toHaveLength(1)
  })
  const client = await connect()
  const response = await client.ask(`${POST}Content-Length: 100\r\n\r\nabc`)
  expect(response.headers.get('connection')).toBe('close')
})

test('a body that came whole with its head does not cost the connection, read or not', async () => {
  const { connect } = await start({}, unauthorised)
  const client = await connect()
  const first = await client.ask(`${POST}Content-Length: 3\r\n\r\nabc`)
  expect(first.headers.get('connection')).toBe('keep-alive')
  expect((await client.ask(`${POST}Content-Length: 3\r\n\r\nabc`)).status).toBe(401)
})

test('F09 a request that is refused never gets 100 first', async () => {
  const { connect } = await start({}, unauthorised)
  const client = await connect()
  client.send(`${POST}Content-Length: 5\r\nExpect: 100-continue\r\n\r\n`)
  await client.serverClosed()
  expect(client.text).toMatch(/^HTTP\/1\.1 401 /)
  expect(client.text).not.toContain('100 Continue')
})

test('F09 F12 a declared length above the limit gets 413 instead of 100', async () => {
  const { connect } = await start({}, (request, client) => {
    try {
      request.body.limit(1000)
    } catch (error) {
      answerError(client, error)
    }
  })
  const client = await connect()
  client.send(`${POST}Content-Length: 1001\r\nExpect: 100-continue\r\n\r\n`)
  await client.serverClosed()
  expect(client.text).toMatch(/^HTTP\/1\.1 413 /)
})

test('F09 exactly one 100 is sent, when the body is first wanted', async () => {
  const { connect } = await start()
  const client = await connect()
  client.send(`${POST}Content-Length: 5\r\nExpect: 100-continue\r\n\r\n`)
  expect((await client.response()).status).toBe(100)
  client.send('he')
  client.send('llo')
  const response = await client.response()
  expect(response.body.toString()).toBe('POST /x hello')
  expect(response.headers.get('connection')).toBe('keep-alive')
})

test('F09 a client that did not wait is not told to continue', async () => {
  const { connect } = await start()
  const client = await connect()
  client.send(`${POST}Content-Length: 5\r\nExpect: 100-continue\r\n\r\nhello`)
  await client.until(() => client.text.includes('hello'))
  expect(client.text).toMatch(/^HTTP\/1\.1 200 /)
})

test('F09 another expectation is 417', async () => {
  const { connect } = await start()
  const client = await connect()
  expect((await client.ask(`${POST}Content-Length: 5\r\nExpect: cake\r\n\r\n`)).status).toBe(417)
})

test('F10 eleven pipelined requests are answered in order, then 400, and nothing behind it runs', async () => {
  const { connect, seen } = await start()
  const client = await connect()
  const gets = Array.from({ length: 10 }, (_, i) => `GET /${i} HTTP/1.1\r\nHost: a\r\n\r\n`).join(
    '',
  )
  client.send(
    `${gets}${POST}Content-Length: 2\r\n\r\nhiBROKEN\r\n\r\nGET /after HTTP/1.1\r\nHost: a\r\n\r\n`,
  )
  for (let i = 0; i < 10; i++) expect((await client.response()).body.toString()).toBe(`GET /${i} `)
  expect((await client.response()).body.toString()).toBe('POST /x hi')
  const last = await client.response()
  expect(last.status).toBe(400)
  expect(last.headers.get('connection')).toBe('close')
  await client.serverClosed()
  expect(client.text).toBe('')
  expect(seen).toHaveLength(11)
})

test('F10 slow answers do not change the order, and only one request runs at a time', async () => {
  let running = 0
  let most = 0
  const { connect } = await start({}, (request, client) => {
    most = Math.max(most, ++running)
    setTimeout(
      () => {
        running--
        answer(client, 200, request.path)
      },
      request.path === '/0' ? 60 : 1,
    )
  })
  const client = await connect()
  client.send(Array.from({ length: 5 }, (_, i) => `GET /${i} HTTP/1.1\r\nHost: a\r\n\r\n`).join(''))
  for (let i = 0; i < 5; i++) expect((await client.response()).body.toString()).toBe(`/${i}`)
  expect(most).toBe(1)
})

test('F10 a pipeliner that never stops is not read beyond a bound while its request runs', async () => {
  const { connect } = await start({}, () => undefined)
  const client = await connect()
  client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  const chunk = Buffer.alloc(1024 * 1024, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  for (let i = 0; i < 64; i++) client.send(chunk)
  let before = -1
  await expect
    .poll(() => {
      const settled = client.socket.writableLength === before
      before = client.socket.writableLength
      return settled
    })
    .toBe(true)
  expect(client.socket.writableLength).toBeGreaterThan(16 * 1024 * 1024)
})

test('F12 a declared length above the limit gets 413 before any body byte', async () => {
  const { connect, seen } = await start({ bodyLimitBytes: 1000 })
  const client = await connect()
  const response = await client.ask(`${POST}Content-Length: 1001\r\n\r\n`)
  expect(response.status).toBe(413)
  expect(response.headers.get('connection')).toBe('close')
  expect(seen[0]?.request.body.receivedBytes).toBe(0)
})

test('F12 a chunked body that crosses the limit gets 413 in its middle', async () => {
  const { connect } = await start({ bodyLimitBytes: 1000 })
  const client = await connect()
  client.send(`${POST}Transfer-Encoding: chunked\r\n\r\n`)
  client.send(`200\r\n${'x'.repeat(512)}\r\n`)
  client.send(`200\r\n${'x'.repeat(512)}\r\n`)
  expect((await client.response()).status).toBe(413)
  await client.serverClosed()
  expect(client.reset).toBe(false)
})

test('F12 a body of exactly the limit passes, declared or chunked', async () => {
  const { connect } = await start({ bodyLimitBytes: 1000 })
  const client = await connect()
  const body = 'x'.repeat(1000)
  expect((await client.ask(`${POST}Content-Length: 1000\r\n\r\n${body}`)).status).toBe(200)
  expect(
    (await client.ask(`${POST}Transfer-Encoding: chunked\r\n\r\n3e8\r\n${body}\r\n0\r\n\r\n`))
      .status,
  ).toBe(200)
})

test.each([
  ['a header of 17 KiB', `GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(17_000)}\r\n\r\n`, 431],
  [
    '17 KiB of headers that do not end',
    `GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(17_000)}`,
    431,
  ],
  [
    '200 headers with the credential last',
    `GET / HTTP/1.1\r\nHost: a\r\n${'X: y\r\n'.repeat(200)}Authorization: b\r\n\r\n`,
    431,
  ],
  ['a URL of 9 KiB', `GET /${'x'.repeat(9000)} HTTP/1.1\r\nHost: a\r\n\r\n`, 414],
  ['a URL of 64 KiB', `GET /${'x'.repeat(65_536)} HTTP/1.1\r\nHost: a\r\n\r\n`, 414],
  ['a URL that does not end', `GET /${'x'.repeat(20_000)}`, 414],
  [
    'a chunk extension of 64 KiB',
    `${POST}Transfer-Encoding: chunked\r\n\r\n5;${'x'.repeat(65_536)}\r\nhello\r\n0\r\n\r\n`,
    413,
  ],
] as const)('F12 S03 $0 is answered $2 readably', async (_what, bytes, status) => {
  const { connect } = await start()
  const client = await connect()
  client.send(bytes)
  const response = await client.response()
  expect(response.status).toBe(status)
  expect(response.headers.get('connection')).toBe('close')
  await client.serverClosed()
  expect(client.reset).toBe(false)
})

test('F52 a body beyond the memory of the process gets 503, and the memory comes back', async () => {
  const { connect, memory } = await start({ memoryBytes: 50_000 })
  const client = await connect()
  client.send(`${POST}Content-Length: 100000\r\n\r\n`)
  client.send('x'.repeat(100_000))
  const response = await client.response()
  expect(response.status).toBe(503)
  await client.serverClosed()
  expect(memory.used).toBe(0)
  const other = await connect()
  expect((await other.ask(`${POST}Content-Length: 2\r\n\r\nhi`)).status).toBe(200)
})

test('memory is given back after every way a request can end', async () => {
  const { connect, memory } = await start({}, (request, client) => {
    if (request.path === '/fail')
      void Promise.resolve(request.body.bytes(1e6)).then(() => client.fail(new Error('x')))
    else if (request.path === '/hang') void request.body.bytes(1e6)
    else echo(request, client)
  })
  const body = `Content-Length: 6000\r\n\r\n${'x'.repeat(6000)}`
  for (const path of ['/ok', '/fail', '/hang']) {
    const client = await connect()
    client.send(`POST ${path} HTTP/1.1\r\nHost: a\r\n${body}`)
    if (path === '/ok') await client.response()
    if (path === '/fail') await client.serverClosed()
    if (path === '/hang') {
      await expect.poll(() => memory.used).toBe(6000)
      client.socket.resetAndDestroy()
    }
    await expect.poll(() => memory.used).toBe(0)
  }
})
