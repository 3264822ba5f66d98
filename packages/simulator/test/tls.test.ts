import https from 'node:https'
import tls from 'node:tls'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startSimulator } from '../src/index.ts'
import type { Simulator } from '../src/index.ts'
import { chatBody, rawRequest } from './raw-client.ts'
import { SELF_SIGNED } from './self-signed.ts'

let simulator: Simulator

beforeAll(async () => {
  simulator = await startSimulator({ tls: SELF_SIGNED })
})
afterAll(() => simulator.close())

function connect(): tls.TLSSocket {
  return tls.connect({
    host: '127.0.0.1',
    port: simulator.port,
    ca: SELF_SIGNED.cert,
    servername: 'localhost',
  })
}

test('answers over TLS to a client that trusts its certificate', async () => {
  expect(simulator.url).toBe(`https://127.0.0.1:${simulator.port}`)
  const text = await new Promise<string>((resolve, reject) => {
    const request = https.request(
      `${simulator.url}/v1/chat/completions`,
      { method: 'POST', ca: SELF_SIGNED.cert },
      (response) => {
        let received = ''
        response.setEncoding('utf8')
        response.on('data', (chunk: string) => (received += chunk))
        response.on('end', () => resolve(received))
      },
    )
    request.on('error', reject)
    request.end(chatBody('nonce:tls1'))
  })
  expect(text).toContain('nonce:tls1')
})

test('F42 a client that does not trust it fails, and the simulator goes on', async () => {
  const message = await new Promise<string>((resolve) => {
    tls
      .connect({ host: '127.0.0.1', port: simulator.port, servername: 'localhost' })
      .on('error', (error) => resolve(error.message))
  })
  expect(message).toMatch(/self.signed/)
  const plain = await new Promise<string>((resolve) => {
    const socket = connect()
    socket.on('data', (bytes: Buffer) => resolve(bytes.toString()))
    socket.write(rawRequest({ method: 'GET', path: '/v1/models' }))
  })
  expect(plain).toMatch(/^HTTP\/1\.1 200 OK/)
})

test('reset cuts the TCP connection below TLS', async () => {
  const socket = connect()
  const code = new Promise<string | undefined>((resolve) => {
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code))
    socket.on('close', () => resolve(undefined))
  })
  socket.write(rawRequest({ headers: { 'x-simulator-fault': 'reset' }, body: chatBody('hi') }))
  expect(await code).toBe('ECONNRESET')
  const request = await simulator.waitForRequest((one) => one.fault === 'reset')
  expect(await request.closed).toMatchObject({ by: 'server', how: 'reset' })
})

test('a client that resets is noticed over TLS, too', async () => {
  const socket = connect()
  socket.on('error', () => undefined)
  socket.write(rawRequest({ headers: { 'x-simulator-fault': 'hang' }, body: chatBody('hi') }))
  const request = await simulator.waitForRequest(
    (one) => one.header('x-simulator-fault') === 'hang',
  )
  socket.destroy()
  expect((await request.closed).by).toBe('client')
})
