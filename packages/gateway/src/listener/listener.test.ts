import { afterEach, expect, test } from 'vitest'
import { startListener, type Started } from './testing/start.ts'

let started: Started | undefined
afterEach(async () => {
  await started?.stop()
  started = undefined
})

test('answers a GET and a POST on one connection', async () => {
  started = await startListener()
  const client = await started.connect()
  const first = await client.ask('GET /a?b=1 HTTP/1.1\r\nHost: x\r\n\r\n')
  expect(first.status).toBe(200)
  expect(first.body.toString()).toBe('GET /a ')
  const second = await client.ask('POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello')
  expect(second.body.toString()).toBe('POST /b hello')
  const third = await client.ask(
    'POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n',
  )
  expect(third.body.toString()).toBe('POST /c abcde')
  expect(started.listener.activeRequests).toBe(0)
})

test('counts connections and requests since its start, refused ones included', async () => {
  started = await startListener()
  const { listener, connect } = started
  const kept = await connect()
  await kept.ask('GET /a HTTP/1.1\r\nHost: x\r\n\r\n')
  await kept.ask('GET /b HTTP/1.1\r\nHost: x\r\n\r\n')
  const refused = await connect()
  expect((await refused.ask('GET /c HTTP/1.1\r\n\r\n')).status).toBe(400)
  const silent = await connect()
  await silent.serverClosed()
  expect(listener.accepted).toBe(3)
  expect(listener.received).toBe(3)
})
