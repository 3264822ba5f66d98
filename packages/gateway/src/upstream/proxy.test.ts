import { readFileSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { createServer as createSecureServer } from 'node:tls'
import { inspect } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import { createProxyRules } from './proxy-rules.ts'
import {
  answer,
  createClient,
  fields,
  listen,
  post,
  rawServer,
  requestOf,
  send,
  tableLookup,
  targetingOf,
} from './testing/harness.ts'

const pem = (name: string): string =>
  readFileSync(new URL(`testdata/tls/${name}`, import.meta.url), 'utf8')
const CA = pem('ca.pem')
const LOOKUP = tableLookup(new Map([['proxy.test', ['127.0.0.1']]]))

const named = (port: number, host = 'api.test') => [{ host, port, weight: 1, hostHeader: host }]

interface Proxy {
  readonly port: number
  /** The first head of every connection. */
  readonly heads: string[]
}

/** A proxy that tunnels everything to `port` on loopback, or answers with `status`. */
async function tunnelProxy(port: number, status = '200 OK', secure = false): Promise<Proxy> {
  const heads: string[] = []
  const onConnection = (socket: Socket): void => {
    socket.on('error', () => socket.destroy())
    socket.once('data', (chunk: Buffer) => {
      heads.push(chunk.toString('latin1'))
      socket.write(`HTTP/1.1 ${status}\r\nVia: proxy\r\n\r\n`)
      if (!status.startsWith('200')) return
      const upstream = connect(port, '127.0.0.1')
      upstream.on('error', () => socket.destroy())
      socket.once('close', () => upstream.destroy())
      socket.pipe(upstream).pipe(socket)
    })
  }
  const server: Server = secure
    ? createSecureServer({ cert: pem('server.pem'), key: pem('server.key') }, onConnection)
    : createServer(onConnection)
  const proxyPort = await listen(server)
  onTestFinished(() => void server.close())
  return { port: proxyPort, heads }
}

async function secureUpstream(): Promise<number> {
  const server = createSecureServer(
    { cert: pem('server.pem'), key: pem('server.key') },
    (socket) => {
      socket.on('error', () => socket.destroy())
      socket.on('data', () => socket.write(answer('secure')))
    },
  )
  const port = await listen(server)
  onTestFinished(() => void server.close())
  return port
}

const trusting = { verify: true, ca: [CA], clientCert: undefined, clientKey: undefined }

test('an https upstream is reached through a CONNECT tunnel; credentials go to the proxy only', async () => {
  const upstream = await secureUpstream()
  const proxy = await tunnelProxy(upstream)
  const client = createClient(
    { httpsProxy: `http://us%40er:p%3Ass@proxy.test:${proxy.port}` },
    { lookup: LOOKUP },
  )
  const targeting = targetingOf([], { scheme: 'https', tls: trusting, targets: named(443) })
  const ending = await send(client, targeting, post('x'))
  expect(ending).toMatchObject({ status: 200, body: 'secure' })
  const credentials = Buffer.from('us@er:p:ss').toString('base64')
  expect(proxy.heads).toEqual([
    `CONNECT api.test:443 HTTP/1.1\r\nHost: api.test:443\r\nProxy-Authorization: Basic ${credentials}\r\n\r\n`,
  ])
  await send(client, targeting)
  expect(proxy.heads).toHaveLength(1)
})

test('a proxy may itself be reached over TLS, verified', async () => {
  const upstream = await secureUpstream()
  const proxy = await tunnelProxy(upstream, '200 OK', true)
  const httpsProxy = `https://proxy.test:${proxy.port}`
  const targeting = targetingOf([], { scheme: 'https', tls: trusting, targets: named(443) })
  const trusted = createClient({ httpsProxy, caBundle: CA }, { lookup: LOOKUP })
  expect(await send(trusted, targeting)).toMatchObject({ status: 200, body: 'secure' })
  const suspicious = createClient({ httpsProxy }, { lookup: LOOKUP })
  const ending = await send(suspicious, targeting, post('x'))
  expect(ending.failure).toMatchObject({ code: 'upstream_unreachable', requestSent: 'nothing' })
})

test('an http upstream’s request is sent to the proxy in absolute form, with its credentials', async () => {
  const proxy = await rawServer((socket) => socket.write(answer('via proxy')))
  const client = createClient(
    { httpProxy: `http://user:secret@proxy.test:${proxy.port}` },
    { lookup: LOOKUP },
  )
  const targeting = targetingOf([], { targets: named(8080) })
  const headers = fields('Proxy-Authorization: Basic Y2xpZW50', 'x-a: 1')
  const ending = await send(client, targeting, requestOf({ path: '/p?q=1', headers }))
  expect(ending.body).toBe('via proxy')
  const credentials = Buffer.from('user:secret').toString('base64')
  expect(proxy.requests).toEqual([
    `GET http://api.test:8080/p?q=1 HTTP/1.1\r\nhost: api.test\r\nconnection: keep-alive\r\nx-a: 1\r\nproxy-authorization: Basic ${credentials}`,
  ])
})

test.each([
  ['407 Proxy Authentication Required', 'credentials'],
  ['403 Forbidden', '403'],
  ['SSH-2.0-nonsense', 'not HTTP'],
])('a proxy that answers CONNECT with %s makes the upstream unreachable', async (status, word) => {
  const proxy = await tunnelProxy(1, status)
  const client = createClient(
    { httpsProxy: `http://user:hunter2@proxy.test:${proxy.port}` },
    { lookup: LOOKUP },
  )
  const targeting = targetingOf([], { scheme: 'https', tls: trusting, targets: named(443) })
  const { failure } = await send(client, targeting, post('x'))
  expect(failure).toMatchObject({ code: 'upstream_unreachable', requestSent: 'nothing' })
  if (!status.startsWith('SSH')) expect(failure?.cause.message).toContain(word)
  expect(inspect(failure, { depth: 10 })).not.toContain('hunter2')
  expect(inspect(failure, { depth: 10 })).not.toContain(
    Buffer.from('user:hunter2').toString('base64'),
  )
})

test('a proxy that hangs up, floods or stalls during CONNECT fails the call in time', async () => {
  const behaviours: [string, (socket: Socket) => void][] = [
    ['upstream_unreachable', (socket) => socket.end()],
    ['upstream_unreachable', (socket) => socket.resetAndDestroy()],
    ['upstream_unreachable', (socket) => socket.write('x'.repeat(20_000))],
    ['upstream_connect_timeout', () => undefined],
  ]
  for (const [code, behave] of behaviours) {
    const proxy = await rawServer(behave)
    const client = createClient(
      { httpsProxy: `http://proxy.test:${proxy.port}` },
      { lookup: LOOKUP },
    )
    const targeting = targetingOf([], {
      scheme: 'https',
      tls: trusting,
      targets: named(443),
      connectTimeoutMs: 150,
    })
    expect((await send(client, targeting, post('x'))).failure?.code).toBe(code)
  }
})

test('S16 a forbidden address is refused also where a proxy would connect to it', async () => {
  const proxy = await rawServer((socket) => socket.write(answer('metadata')))
  const client = createClient({ httpProxy: `http://proxy.test:${proxy.port}` }, { lookup: LOOKUP })
  for (const host of ['169.254.169.254', '2852039166', '[::ffff:169.254.169.254]']) {
    const ending = await send(client, targetingOf([], { targets: named(80, host) }))
    expect(ending.failure?.code).toBe('upstream_forbidden_address')
  }
  expect(proxy.requests).toEqual([])
})

test.each([
  [['*'], 'api.test', 443, false],
  [['api.test'], 'api.test', 443, false],
  [['API.Test'], 'api.test', 443, false],
  [['api.test'], 'v1.api.test', 443, false],
  [['.api.test'], 'api.test', 443, false],
  [['*.api.test'], 'v1.api.test', 443, false],
  [['api.test'], 'myapi.test', 443, true],
  [['api.test:8443'], 'api.test', 443, true],
  [['api.test:8443'], 'api.test', 8443, false],
  [['10.0.0.0/8'], '10.1.2.3', 443, false],
  [['10.0.0.0/8'], '11.1.2.3', 443, true],
  [['10.0.0.0/8'], 'ten.test', 443, true],
  [['192.168.1.1'], '192.168.1.1', 443, false],
  [['fd00::/8'], 'fd12::1', 443, false],
  [['[::2]'], '::2', 443, false],
  [['10.0.0.0/99', '', ' '], '10.0.0.1', 443, true],
  [[], 'localhost', 443, false],
  [[], '127.0.0.5', 443, false],
  [[], '::1', 443, false],
  [[], 'api.test', 443, true],
] as const)('NO_PROXY %j and host %s, port %i: proxied %s', (noProxy, host, port, proxied) => {
  const rules = createProxyRules({
    httpProxy: undefined,
    httpsProxy: 'proxy.test:3128',
    noProxy,
  })
  expect(rules.proxyFor('https', host, port) !== undefined).toBe(proxied)
  expect(rules.proxyFor('http', host, port)).toBeUndefined()
})

test.each([
  ['http://user:hunter2@', 'is not a URL'],
  ['socks5://user:hunter2@proxy.test:1080', 'only http and https'],
  ['http://user%ZZ:hunter2@proxy.test', 'percent-encoded'],
])('a proxy URL that cannot be used is refused by name, without its text', (httpProxy, reason) => {
  const create = () => createProxyRules({ httpProxy, httpsProxy: undefined, noProxy: [] })
  expect(create).toThrow(reason)
  expect(create).toThrow('HTTP_PROXY')
  expect(create).not.toThrow('hunter2')
})

test('proxy credentials cannot be printed', () => {
  const rules = createProxyRules({
    httpProxy: 'http://user:hunter2@proxy.test',
    httpsProxy: undefined,
    noProxy: [],
  })
  const proxy = rules.proxyFor('http', 'api.test', 80)
  const printed = inspect(proxy, { depth: 5 }) + JSON.stringify(proxy)
  expect(printed).not.toContain(Buffer.from('user:hunter2').toString('base64'))
  expect(proxy).toMatchObject({ host: 'proxy.test', port: 80, secure: false })
})
