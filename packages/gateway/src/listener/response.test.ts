import { afterEach, expect, test } from 'vitest'
import { HeaderList } from '../http/index.ts'
import type { ClientChannel } from '../pipeline/index.ts'
import { answer, startListener, type Started } from './testing/start.ts'

let started: Started | undefined
afterEach(async () => {
  await started?.stop()
  started = undefined
})

async function serve(respond: (client: ClientChannel) => void): Promise<Started> {
  started = await startListener({}, (_request, client) => respond(client))
  return started
}

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'
const head = (status: number, ...fields: string[]) => ({ status, headers: new HeaderList(fields) })

test('a response with a length: fields in their order and case, Date, framing and connection last', async () => {
  const { connect } = await serve((client) =>
    answer(client, 200, 'hello', ['X-One', '1', 'x-two', '2']),
  )
  const client = await connect()
  const response = await client.ask(GET)
  expect(response.head.replace(/Date: .*/, 'Date: now')).toBe(
    [
      'HTTP/1.1 200 OK',
      'X-One: 1',
      'x-two: 2',
      'Date: now',
      'Content-Length: 5',
      'Connection: keep-alive',
      'Keep-Alive: timeout=1',
    ].join('\r\n'),
  )
  expect(Math.abs(Date.parse(response.headers.get('date') ?? '') - Date.now())).toBeLessThan(3000)
})

test('head, body and end of one turn leave in one segment', async () => {
  const { connect } = await serve((client) => {
    client.head(head(200))
    client.write(Buffer.from('hello'))
    client.end()
  })
  const client = await connect()
  let segments = 0
  client.socket.on('data', () => segments++)
  const response = await client.ask(GET)
  expect(response.headers.get('transfer-encoding')).toBe('chunked')
  expect(response.body.toString()).toBe('hello')
  expect(segments).toBe(1)
})

test('a head without a body leaves at the end of its turn, before any byte of the body', async () => {
  const { connect } = await serve((client) =>
    client.head(head(200, 'Content-Type', 'text/event-stream')),
  )
  const client = await connect()
  client.send(GET)
  await client.until(() => client.text.endsWith('\r\n\r\n'))
  expect(client.text).toContain('text/event-stream')
})

test('a first chunk leaves at the end of its turn together with the head', async () => {
  const { connect } = await serve((client) => {
    client.head(head(200))
    client.write(Buffer.from('one'))
    setTimeout(() => {
      client.write(Buffer.from('two'))
      client.end()
    }, 20)
  })
  const client = await connect()
  client.send(GET)
  await client.until(() => client.text.endsWith('3\r\none\r\n'))
  expect((await client.response()).body.toString()).toBe('onetwo')
})

test.each([
  [16_000, 'Content-Length'],
  [200_000, 'Content-Length'],
  [3_000_000, 'Content-Length'],
  [16_000, 'chunked'],
  [200_000, 'chunked'],
  [3_000_000, 'chunked'],
])('a body of %d bytes by %s arrives whole, and the connection lives on', async (size, framing) => {
  const body = Buffer.from(Array.from({ length: size }, (_, i) => i % 251))
  const { connect } = await serve((client) => {
    client.head(framing === 'chunked' ? head(200) : head(200, 'Content-Length', String(size)))
    client.write(body)
    client.end()
  })
  const client = await connect()
  for (let round = 0; round < 2; round++) {
    client.send(GET)
    await client.until(() => client.totalBytes >= (round + 1) * size)
    const response = await client.response()
    expect(Buffer.compare(response.body, body)).toBe(0)
  }
})

test('an empty chunk is no end of a chunked body', async () => {
  const { connect } = await serve((client) => {
    client.head(head(200))
    client.write(Buffer.alloc(0))
    client.write(Buffer.from('a'))
    client.write(Buffer.alloc(0))
    client.write(Buffer.from('b'))
    client.end()
  })
  const client = await connect()
  expect((await client.ask(GET)).body.toString()).toBe('ab')
})

test('F15 HEAD gets the length and no body byte, and the connection lives on', async () => {
  const { connect } = await serve((client) => answer(client, 200, 'hello'))
  const client = await connect()
  for (let round = 0; round < 2; round++) {
    const response = await client.ask('HEAD / HTTP/1.1\r\nHost: a\r\n\r\n', { isHead: true })
    expect(response.headers.get('content-length')).toBe('5')
    expect(response.headers.get('connection')).toBe('keep-alive')
  }
  expect(client.text).toBe('')
})

test('F15 HEAD without a known length has no framing fields', async () => {
  const { connect } = await serve((client) => {
    client.head(head(200))
    client.write(Buffer.from('hello'))
    client.end()
  })
  const client = await connect()
  const response = await client.ask('HEAD / HTTP/1.1\r\nHost: a\r\n\r\n', { isHead: true })
  expect(response.headers.has('transfer-encoding')).toBe(false)
  expect(client.text).toBe('')
})

test.each([
  [204, undefined],
  [304, '5'],
])('a %d answer has no body, whatever is written', async (status, length) => {
  const { connect } = await serve((client) => {
    client.head(head(status, 'Content-Length', '5', 'Transfer-Encoding', 'chunked'))
    client.write(Buffer.from('hello'))
    client.end()
  })
  const client = await connect()
  const response = await client.ask(GET)
  expect(response.status).toBe(status)
  expect(response.headers.get('content-length')).toBe(length)
  expect(response.headers.has('transfer-encoding')).toBe(false)
  expect((await client.ask(GET)).status).toBe(status)
})

test('F15 HTTP/1.0 is never sent chunks: without a length the close ends the body', async () => {
  const { connect } = await serve((client) => {
    client.head(head(200))
    client.write(Buffer.from('hel'))
    client.write(Buffer.from('lo'))
    client.end()
  })
  const client = await connect()
  client.send('GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n')
  await client.serverClosed()
  const response = await client.response()
  expect(response.headers.get('connection')).toBe('close')
  expect(response.headers.has('transfer-encoding')).toBe(false)
  expect(response.body.toString()).toBe('hello')
  expect(client.reset).toBe(false)
})

test('F15 HTTP/1.0 keeps the connection only when asked, and with a length', async () => {
  const { connect } = await serve((client) => answer(client, 200, 'hello'))
  const client = await connect()
  const kept = await client.ask('GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n')
  expect(kept.headers.get('connection')).toBe('keep-alive')
  const last = await client.ask('GET / HTTP/1.0\r\n\r\n')
  expect(last.headers.get('connection')).toBe('close')
  await client.serverClosed()
})

test('F15 Connection: close is honoured and answered', async () => {
  const { connect } = await serve((client) => answer(client, 200, 'hello'))
  const client = await connect()
  const response = await client.ask('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  expect(response.headers.get('connection')).toBe('close')
  await client.serverClosed()
  expect(client.reset).toBe(false)
})

test('connection and framing fields of the caller do not reach the wire; a wish to close is obeyed', async () => {
  const { connect } = await serve((client) => {
    client.head(
      head(
        200,
        'Connection',
        'close',
        'Keep-Alive',
        'timeout=9',
        'Transfer-Encoding',
        'gzip',
        'Date',
        'x',
      ),
    )
    client.end()
  })
  const client = await connect()
  const response = await client.ask(GET)
  expect(response.headers.get('connection')).toBe('close')
  expect(response.headers.has('keep-alive')).toBe(false)
  expect(response.headers.get('transfer-encoding')).toBe('chunked')
  expect(response.headers.get('date')).toBe('x')
  await client.serverClosed()
})

test('426 may name what to upgrade to', async () => {
  const { connect } = await serve((client) =>
    answer(client, 426, 'x', ['Connection', 'Upgrade', 'Upgrade', 'TLS/1.2']),
  )
  const client = await connect()
  const response = await client.ask(GET)
  expect(response.headers.get('connection')).toBe('Upgrade, keep-alive')
  expect(response.headers.get('upgrade')).toBe('TLS/1.2')
})

test('S20 S21 a value cannot start another field, and a bad name is left out', async () => {
  const { connect } = await serve((client) =>
    answer(client, 200, 'x', [
      'X-A',
      'a\r\nSet-Cookie: evil',
      'X-B',
      'a\0b',
      'X C',
      'c',
      'X-D',
      'ж',
      'X-E',
      'é',
    ]),
  )
  const client = await connect()
  const response = await client.ask(GET)
  expect(response.headers.get('x-a')).toBe('a  Set-Cookie: evil')
  expect(response.headers.has('set-cookie')).toBe(false)
  expect(response.headers.get('x-b')).toBe('a b')
  expect(response.headers.has('x c')).toBe(false)
  expect(Buffer.from(response.headers.get('x-d') ?? '', 'latin1').toString()).toBe('ж')
  expect(response.headers.get('x-e')).toBe('é')
})

test('fail after a part of a chunked body: what was written arrives, the last chunk does not', async () => {
  const { connect } = await serve((client) => {
    client.head(head(200))
    client.write(Buffer.from('part'))
    client.fail(new Error('upstream gone'))
  })
  const client = await connect()
  client.send(GET)
  await client.serverClosed()
  expect(client.text).toContain('4\r\npart\r\n')
  expect(client.text).not.toContain('0\r\n\r\n')
})

test('fail after a part of a body with a length ends short of it', async () => {
  const { connect } = await serve((client) => {
    client.head(head(200, 'Content-Length', '10'))
    client.write(Buffer.from('part'))
    client.fail(new Error('upstream gone'))
  })
  const client = await connect()
  client.send(GET)
  await client.serverClosed()
  expect(client.text.endsWith('part')).toBe(true)
})

test('F23 fail of a body that only the close would end is a reset', async () => {
  const { connect } = await serve((client) => {
    client.head(head(200))
    client.write(Buffer.from('part'))
    setTimeout(() => client.fail(new Error('upstream gone')), 20)
  })
  const client = await connect()
  client.send('GET / HTTP/1.0\r\n\r\n')
  await client.until(() => client.reset || client.ended)
  expect(client.reset).toBe(true)
})

test('fail before a head closes without a byte', async () => {
  const { connect } = await serve((client) => client.fail(new Error('nothing to say')))
  const client = await connect()
  client.send(GET)
  await client.serverClosed()
  expect(client.text).toBe('')
})

test('S01 more bytes than Content-Length never reach the wire: the response is broken off', async () => {
  const { connect, defects } = await serve((client) => {
    client.head(head(200, 'Content-Length', '3'))
    client.write(Buffer.from('abc'))
    client.write(Buffer.from('HTTP/1.1 200 OK\r\n\r\n'))
    client.end()
  })
  const client = await connect()
  client.send(GET)
  await client.serverClosed()
  expect(client.text).not.toContain('abcHTTP')
  expect(String(defects[0])).toContain('19 bytes more than Content-Length')
})

test('fewer bytes than Content-Length break the response off instead of keeping the connection', async () => {
  const { connect, defects } = await serve((client) => {
    client.head(head(200, 'Content-Length', '5'))
    client.write(Buffer.from('abc'))
    client.end()
  })
  const client = await connect()
  client.send(GET)
  await client.until(() => client.reset || client.ended)
  expect(client.reset).toBe(true)
  expect(String(defects[0])).toContain('2 bytes less than Content-Length')
})

test.each([100, 101, 199, 0, Number.NaN, 1000])(
  'a status of %d breaks off and is reported',
  async (status) => {
    const { connect, defects } = await serve((client) => client.head(head(status)))
    const client = await connect()
    client.send(GET)
    await client.until(() => client.reset || client.ended)
    expect(defects).toHaveLength(1)
  },
)

test('a response without a head breaks off and is reported', async () => {
  const { connect, defects } = await serve((client) => client.end())
  const client = await connect()
  client.send(GET)
  await client.until(() => client.reset || client.ended)
  expect(defects).toHaveLength(1)
})

test('a listener that throws loses its connection, and only that', async () => {
  started = await startListener({}, (request, client) => {
    if (request.path === '/bad') throw new Error('defect')
    answer(client, 200, 'fine')
  })
  const { connect, defects, listener } = started
  const bad = await connect()
  bad.send('GET /bad HTTP/1.1\r\nHost: a\r\n\r\n')
  await bad.serverClosed()
  expect(bad.text).toBe('')
  const good = await connect()
  expect((await good.ask(GET)).status).toBe(200)
  expect(defects).toHaveLength(1)
  expect(listener.activeRequests).toBe(0)
})

test('bytes are counted both ways, also after the end', async () => {
  const channels: ClientChannel[] = []
  started = await startListener({}, (request, client) => {
    channels.push(client)
    void Promise.resolve(request.body.bytes(100)).then(() => answer(client, 200, 'hello'))
  })
  const client = await started.connect()
  const request =
    'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n'
  client.send(request)
  await client.until(() => client.text.endsWith('hello'))
  expect(channels[0]?.bytesReceived).toBe(request.length)
  expect(channels[0]?.bytesSent).toBe(client.received.length)
  expect(channels[0]?.headSent).toBe(true)
})

test('onFinished comes once, when everything is with the kernel', async () => {
  let finished = 0
  const { connect } = await serve((client) => {
    client.onFinished(() => finished++)
    client.head(head(200))
    client.write(Buffer.alloc(20_000_000))
    client.end()
    expect(finished).toBe(0)
  })
  const client = await connect()
  client.send(GET)
  await client.until(() => client.totalBytes > 20_000_000)
  await expect.poll(() => finished).toBe(1)
})

test('F80 a stale exchange cannot write into the next response of its connection', async () => {
  const channels: ClientChannel[] = []
  const { connect } = await serve((client) => {
    channels.push(client)
    answer(client, 200, `answer ${channels.length}`)
  })
  const client = await connect()
  expect((await client.ask(GET)).body.toString()).toBe('answer 1')
  channels[0]?.write(Buffer.from('stale'))
  channels[0]?.end()
  channels[0]?.fail(new Error('stale'))
  expect((await client.ask(GET)).body.toString()).toBe('answer 2')
  expect(client.text).toBe('')
})
