import { afterEach, expect, test } from 'vitest'
import { HeaderList } from '../http/index.ts'
import type { ClientChannel } from '../pipeline/index.ts'
import { answer, startListener, type Started } from './testing/start.ts'
import type { RequestListener } from './index.ts'

let started: Started | undefined
afterEach(async () => {
  await started?.stop()
  started = undefined
})

async function start(onRequest?: RequestListener): Promise<Started> {
  started = await startListener({}, onRequest)
  return started
}

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'

/** Leaves the request unanswered and notes what the client does. */
function waiting(): {
  readonly onRequest: RequestListener
  readonly events: string[]
  readonly client: () => ClientChannel
} {
  const events: string[] = []
  let current: ClientChannel | undefined
  return {
    events,
    onRequest: (_request, client) => {
      current = client
      events.push('request')
      client.onDeparture((departure) => events.push(departure))
      client.onFinished(() => events.push('finished'))
    },
    client: () => {
      if (current === undefined) throw new Error('no request yet')
      return current
    },
  }
}

test('F05 RST before the first byte is a departure within 250 ms', async () => {
  const { onRequest, events } = waiting()
  const { connect, listener } = await start(onRequest)
  const client = await connect()
  client.send(GET)
  await expect.poll(() => events).toEqual(['request'])
  const begun = performance.now()
  client.socket.resetAndDestroy()
  await expect
    .poll(() => events, { interval: 5 })
    .toEqual(['request', 'client_cancelled', 'finished'])
  expect(performance.now() - begun).toBeLessThan(250)
  expect(listener.activeRequests).toBe(0)
  await expect.poll(() => listener.connections).toBe(0)
})

test('F05 T7 a client that closes (FIN, as every aborted fetch does) is found out within 250 ms', async () => {
  const { onRequest, events } = waiting()
  const { connect, listener } = await start(onRequest)
  const client = await connect()
  client.send(GET)
  await expect.poll(() => events).toEqual(['request'])
  const begun = performance.now()
  client.destroy()
  await expect
    .poll(() => events, { interval: 5 })
    .toEqual(['request', 'client_cancelled', 'finished'])
  expect(performance.now() - begun).toBeLessThan(250)
  await expect.poll(() => listener.connections).toBe(0)
})

test('F07 a client that only stopped sending gets its answer, however late', async () => {
  const { onRequest, events, client: channel } = waiting()
  const { connect } = await start(onRequest)
  const client = await connect()
  client.send(GET)
  client.finish()
  await expect.poll(() => events).toEqual(['request'])
  await new Promise((resolve) => setTimeout(resolve, 300))
  answer(channel(), 200, 'late')
  let response = await client.response()
  while (response.status === 102) response = await client.response()
  expect(response.body.toString()).toBe('late')
  expect(response.headers.get('connection')).toBe('close')
  await client.serverClosed()
  expect(client.reset).toBe(false)
  expect(events).toEqual(['request', 'finished'])
})

test('F07 a prompt answer to a half-closed client has no interim response before it', async () => {
  const { connect } = await start()
  const client = await connect()
  client.send(GET)
  client.finish()
  await client.serverClosed()
  expect(client.text).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
})

test('F07 HTTP/1.0 is never sent an interim response', async () => {
  const { onRequest, events, client: channel } = waiting()
  const { connect } = await start(onRequest)
  const client = await connect()
  client.send('GET / HTTP/1.0\r\n\r\n')
  client.finish()
  await expect.poll(() => events).toEqual(['request'])
  await new Promise((resolve) => setTimeout(resolve, 100))
  answer(channel(), 200, 'late')
  await client.serverClosed()
  expect(client.text).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
})

test('F07 pipelined requests before the FIN are all answered', async () => {
  const { connect } = await start()
  const client = await connect()
  client.send('GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n')
  client.finish()
  await client.serverClosed()
  expect(client.text).toContain('GET /1')
  expect(client.text).toContain('GET /2')
})

test('F06 a client that goes in the middle of a stream is a departure at the next writes', async () => {
  const events: string[] = []
  let tokens = 0
  const { connect } = await start((_request, client) => {
    client.head({ status: 200, headers: new HeaderList(['Content-Type', 'text/event-stream']) })
    const ticker = setInterval(() => {
      tokens++
      client.write(Buffer.from('data: x\n\n'))
    }, 5)
    client.onDeparture((departure) => {
      clearInterval(ticker)
      events.push(departure)
    })
  })
  const client = await connect()
  client.send(GET)
  await client.until(() => client.text.includes('data: x'))
  const begun = performance.now()
  client.destroy()
  await expect.poll(() => events, { interval: 5 }).toEqual(['client_cancelled'])
  expect(performance.now() - begun).toBeLessThan(250)
  expect(tokens).toBeGreaterThan(0)
})

test('a FIN in the middle of a request body is a departure: nobody will send the rest', async () => {
  const events: string[] = []
  const { connect, listener, memory } = await start((request, client) => {
    client.onDeparture((departure) => events.push(departure))
    Promise.resolve(request.body.bytes(1e6)).catch((error: unknown) => events.push(String(error)))
  })
  const client = await connect()
  client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc')
  await expect.poll(() => started?.seen.length).toBe(1)
  client.finish()
  await expect.poll(() => events).toEqual(['client_cancelled', 'GatewayError: Bad request'])
  await expect.poll(() => listener.connections).toBe(0)
  expect(memory.used).toBe(0)
})

test('F16 a client that goes in the middle of a piped body fails the sink', async () => {
  const failures: Error[] = []
  const { connect } = await start((request) => {
    request.body.pipe({
      write: () => true,
      onDrain: () => undefined,
      end: () => undefined,
      fail: (error) => failures.push(error),
    })
  })
  const client = await connect()
  client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc')
  await expect.poll(() => started?.seen.length).toBe(1)
  client.socket.resetAndDestroy()
  await expect.poll(() => failures.length).toBe(1)
})

test('listeners that come late are told at once, and calls after a departure are harmless', async () => {
  const { onRequest, events, client: channel } = waiting()
  const { connect } = await start(onRequest)
  const client = await connect()
  client.send(GET)
  await expect.poll(() => events).toEqual(['request'])
  client.socket.resetAndDestroy()
  await expect.poll(() => events.length).toBe(3)
  const late: string[] = []
  const gone = channel()
  gone.onDeparture((departure) => late.push(departure))
  gone.onFinished(() => late.push('finished'))
  expect(late).toEqual(['client_cancelled', 'finished'])
  gone.head({ status: 200, headers: new HeaderList() })
  expect(gone.write(Buffer.from('x'))).toBe(true)
  gone.end()
  gone.fail(new Error('late'))
  expect(gone.bytesSent).toBe(0)
  await new Promise<void>((resolve) => gone.onDrain(resolve))
})

test('who waits for a drain is woken when the client goes', async () => {
  let drains = 0
  const { connect } = await start((_request, client) => {
    client.head({ status: 200, headers: new HeaderList() })
    const fill = (): void => {
      drains++
      while (client.departed === undefined && client.write(Buffer.alloc(256 * 1024)));
      if (client.departed === undefined) client.onDrain(fill)
    }
    fill()
  })
  const client = await connect()
  client.socket.pause()
  client.send(GET)
  let before = -1
  await expect
    .poll(() => {
      const settled = drains > 0 && drains === before
      before = drains
      return settled
    })
    .toBe(true)
  const stuckAt = drains
  client.socket.resetAndDestroy()
  await expect.poll(() => drains).toBe(stuckAt + 1)
})
