import { readFileSync } from 'node:fs'
import { createServer as createTcpServer } from 'node:net'
import { createServer, type TLSSocket, type TlsOptions } from 'node:tls'
import { expect, onTestFinished, test } from 'vitest'
import type { UpstreamTls } from './index.ts'
import {
  answer,
  createClient,
  listen,
  noConnections,
  post,
  requestOf,
  send,
  tableLookup,
  targetingOf,
} from './testing/harness.ts'

const pem = (name: string): string =>
  readFileSync(new URL(`testdata/tls/${name}`, import.meta.url), 'utf8')

const CA = pem('ca.pem')
const LOOKUP = tableLookup(
  new Map([
    ['api.test', ['127.0.0.1']],
    ['other.test', ['127.0.0.1']],
  ]),
)
const TRUSTING: UpstreamTls = {
  verify: true,
  ca: [CA],
  clientCert: undefined,
  clientKey: undefined,
}

interface SecureServer {
  readonly port: number
  readonly plaintext: string[]
  readonly seen: { servername: string | false | null; peer: string | undefined; resumed: boolean }[]
}

async function secureServer(name: string, options: TlsOptions = {}): Promise<SecureServer> {
  const plaintext: string[] = []
  const seen: SecureServer['seen'] = []
  const server = createServer(
    { cert: pem(`${name}.pem`), key: pem(`${name}.key`), ...options },
    (socket: TLSSocket) => {
      const { subject } = socket.getPeerCertificate()
      seen.push({
        servername: socket.servername,
        peer: Array.isArray(subject?.CN) ? subject.CN[0] : subject?.CN,
        resumed: socket.isSessionReused(),
      })
      socket.on('error', () => socket.destroy())
      socket.on('data', (chunk: Buffer) => {
        plaintext.push(chunk.toString('latin1'))
        socket.write(answer('secure'))
      })
    },
  )
  server.on('tlsClientError', () => undefined)
  const port = await listen(server)
  onTestFinished(() => void server.close())
  return { port, plaintext, seen }
}

const secure = (port: number, tls: UpstreamTls | undefined, host = 'api.test') =>
  targetingOf([], {
    scheme: 'https',
    tls,
    targets: [
      { host, port, weight: 1, hostHeader: host === 'api.test' ? `api.test:${port}` : host },
    ],
  })

test('F42 a certificate of a trusted authority for the right name is accepted, SNI is the Host sent', async () => {
  const server = await secureServer('server')
  const client = createClient({}, { lookup: LOOKUP })
  const ending = await send(client, secure(server.port, TRUSTING), post('x'))
  expect(ending).toMatchObject({ status: 200, body: 'secure', failure: undefined })
  expect(server.seen).toMatchObject([{ servername: 'api.test' }])
  await send(client, secure(server.port, TRUSTING))
  expect(server.seen).toHaveLength(1)
})

test('F42 the node’s own bundle is trusted by every upstream, and a second connection resumes the session', async () => {
  const server = await secureServer('server')
  const client = createClient({ caBundle: CA, keepaliveMaxRequests: 1 }, { lookup: LOOKUP })
  const targeting = secure(server.port, undefined)
  for (let i = 0; i < 2; i++) {
    expect((await send(client, targeting)).status).toBe(200)
    await noConnections(client)
  }
  expect(server.seen.map(({ resumed }) => resumed)).toEqual([false, true])
})

test.each([
  ['expired', 'expired', TRUSTING],
  ['for another name', 'wrong-name', TRUSTING],
  ['self-signed', 'self-signed', TRUSTING],
  ['of an unknown authority', 'server', undefined],
  [
    'of another authority than the configured one',
    'server',
    { ...TRUSTING, ca: [pem('other-ca.pem')] },
  ],
] as const)(
  'F42 a certificate that is %s is refused, and nothing is sent',
  async (_what, name, tls) => {
    const server = await secureServer(name)
    const client = createClient({}, { lookup: LOOKUP })
    const targeting = { ...secure(server.port, tls), retries: 5 }
    const ending = await send(client, targeting, post('secret'))
    expect(ending.failure).toMatchObject({ code: 'upstream_tls_error', requestSent: 'nothing' })
    expect(ending.call.tries).toHaveLength(1)
    expect(server.plaintext).toEqual([])
    await noConnections(client)
  },
)

test('F42 verification is off only where the service says so', async () => {
  const server = await secureServer('self-signed')
  const client = createClient({}, { lookup: LOOKUP })
  const unverified = { ...TRUSTING, verify: false }
  expect((await send(client, secure(server.port, unverified))).status).toBe(200)
  const verified = await send(client, { ...secure(server.port, TRUSTING), key: 'other' })
  expect(verified.failure?.code).toBe('upstream_tls_error')
})

test('F42 TLS below 1.2 is refused', async () => {
  const server = await secureServer('server', {
    minVersion: 'TLSv1',
    maxVersion: 'TLSv1.1',
    ciphers: 'DEFAULT:@SECLEVEL=0',
  })
  const client = createClient({}, { lookup: LOOKUP })
  const ending = await send(client, secure(server.port, TRUSTING), post('x'))
  expect(ending.failure?.code).toBe('upstream_tls_error')
  expect(server.plaintext).toEqual([])
})

test('F42 a plaintext server behind an https target gets no request', async () => {
  let received = Buffer.alloc(0)
  const server = createTcpServer((socket) => {
    socket.on('error', () => socket.destroy())
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk])
      socket.write(answer('plain'))
    })
  })
  const port = await listen(server)
  onTestFinished(() => void server.close())
  const client = createClient({}, { lookup: LOOKUP })
  const ending = await send(client, secure(port, TRUSTING), post('secret'))
  expect(ending.failure?.code).toBe('upstream_tls_error')
  expect(received.toString('latin1')).not.toContain('POST')
})

test('F42 a handshake that stalls is a connect timeout', async () => {
  const server = createTcpServer((socket) => {
    socket.on('error', () => socket.destroy())
    socket.resume()
  })
  const port = await listen(server)
  onTestFinished(() => void server.close())
  const client = createClient({}, { lookup: LOOKUP })
  const startedAt = performance.now()
  const targeting = { ...secure(port, TRUSTING), connectTimeoutMs: 100 }
  const ending = await send(client, targeting, post('x'))
  expect(ending.failure).toMatchObject({ code: 'upstream_connect_timeout', requestSent: 'nothing' })
  expect(performance.now() - startedAt).toBeLessThan(600)
  await noConnections(client)
})

test('F42 a connection that breaks during the handshake may be tried again', async () => {
  const server = createTcpServer((socket) => socket.destroy())
  const port = await listen(server)
  onTestFinished(() => void server.close())
  const client = createClient({}, { lookup: LOOKUP })
  const ending = await send(client, { ...secure(port, TRUSTING), retries: 2 }, post('x'))
  expect(ending.failure?.code).toBe('upstream_reset')
  expect(ending.call.tries).toHaveLength(3)
})

test('a client certificate is presented to the service that has one, and to no other', async () => {
  const server = await secureServer('server', {
    requestCert: true,
    rejectUnauthorized: true,
    ca: [CA],
  })
  const client = createClient({}, { lookup: LOOKUP })
  const mutual = { ...TRUSTING, clientCert: pem('client.pem'), clientKey: pem('client.key') }
  expect((await send(client, secure(server.port, mutual))).status).toBe(200)
  expect(server.seen).toMatchObject([{ peer: 'client' }])
  const without = await send(client, { ...secure(server.port, TRUSTING), key: 'other' }, post('x'))
  expect(without.failure?.code).toMatch(/upstream_(tls_error|reset)/)
  expect(server.plaintext).toHaveLength(1)
})

test('a client certificate that cannot be read fails the call with a TLS error', async () => {
  const server = await secureServer('server')
  const client = createClient({}, { lookup: LOOKUP })
  const broken = { ...TRUSTING, clientCert: 'not a certificate', clientKey: 'not a key' }
  const ending = await send(client, secure(server.port, broken))
  expect(ending.failure?.code).toBe('upstream_tls_error')
})

test('a preserved host decides SNI and the name that is checked; its connections are its own (kong.md §2.8)', async () => {
  const server = await secureServer('wrong-name')
  const client = createClient({}, { lookup: LOOKUP })
  const targeting = secure(server.port, TRUSTING)
  expect((await send(client, targeting)).failure?.code).toBe('upstream_tls_error')
  const preserved = await send(client, targeting, requestOf({ host: 'other.test:8443' }))
  expect(preserved.status).toBe(200)
  expect(server.seen).toMatchObject([{ servername: 'other.test' }])
})

test('an upstream given by address is checked against the address, without SNI', async () => {
  const server = await secureServer('server')
  const client = createClient()
  const ending = await send(client, secure(server.port, TRUSTING, '127.0.0.1'))
  expect(ending.status).toBe(200)
  expect(server.seen).toMatchObject([{ servername: false }])
})
