import { startSimulator } from '@pratu/simulator'
import { describe, expect, test } from 'vitest'
import { RawClient } from '../../packages/gateway/src/listener/testing/raw-client.ts'
import { givenGateway, type GivenGateway } from '../gateway.ts'
import { everythingOf, leaksIn } from './support.ts'

const CALLER = 'caller-canary-9d3f7a1c5b'
const PROVIDER = 'provider-canary-4e8b2d6f0a'
const SECRETS = { caller: CALLER }

type Simulator = Awaited<ReturnType<typeof startSimulator>>

/** A service that borrows a provider's credential, behind key-auth that looks everywhere. */
async function given(): Promise<{ gateway: GivenGateway; simulator: Simulator } & AsyncDisposable> {
  const simulator = await startSimulator()
  const gateway = await givenGateway({
    configuration: `_format_version: "3.0"
providers:
- {name: p, kind: openai, api_key: ${PROVIDER}}
services:
- name: s
  url: ${simulator.url}/v1/chat/completions
  provider: p
  routes: [{name: r, paths: [/v1/chat], strip_path: false}]
plugins:
- name: key-auth
  config: {key_names: [apikey, x-team-key], key_in_body: true}
consumers:
- {username: canary-consumer, custom_id: crm-canary, keyauth_credentials: [{key: ${CALLER}}]}
`,
  })
  return {
    gateway,
    simulator,
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]()
      await simulator.close()
    },
  }
}

const MESSAGE = { model: 'gpt-4.1', messages: [{ role: 'user', content: 'hi' }] }

describe('S18 a provider that the gateway pays never sees the caller’s secret', () => {
  const places: readonly [
    place: string,
    query: string,
    headers: Record<string, string>,
    body: object,
  ][] = [
    ['Authorization', '', { Authorization: `Bearer ${CALLER}` }, {}],
    ['x-api-key', '', { 'x-api-key': CALLER }, {}],
    ['api-key', '', { 'api-key': CALLER }, {}],
    ['x-goog-api-key', '', { 'x-goog-api-key': CALLER }, {}],
    ['the configured header', '', { apikey: CALLER }, {}],
    ['the other configured header', '', { 'X-Team-Key': CALLER }, {}],
    ['the query', `?apikey=${CALLER}`, {}, {}],
    ['the query, encoded', `?apikey=${CALLER.replaceAll('-', '%2D')}&a=1`, {}, {}],
    ['the body', '', {}, { apikey: CALLER }],
    ['the other member of the body', '', {}, { 'x-team-key': CALLER }],
    ['Gemini’s key argument', `?key=${CALLER}`, { apikey: CALLER }, {}],
    ['a cookie', '', { apikey: CALLER, Cookie: `session=${CALLER}` }, {}],
    ['Proxy-Authorization', '', { apikey: CALLER, 'Proxy-Authorization': `Bearer ${CALLER}` }, {}],
    [
      'everywhere at once',
      `?x-team-key=${CALLER}&access_token=${CALLER}`,
      { apikey: CALLER, Authorization: `Bearer ${CALLER}`, 'x-api-key': CALLER, Cookie: CALLER },
      { apikey: CALLER, 'x-team-key': CALLER },
    ],
  ]

  test.each(places)('in %s', async (_place, query, headers, body) => {
    await using it = await given()
    const answer = await fetch(`${it.gateway.url}/v1/chat${query}`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', ...headers },
      body: JSON.stringify({ ...MESSAGE, ...body }),
    })
    expect(answer.status).toBe(200)
    const [request] = it.simulator.requests
    if (request === undefined) throw new Error('nothing reached the provider')
    expect(leaksIn(everythingOf(request), SECRETS)).toEqual([])
    expect(request.header('authorization')).toBe(`Bearer ${PROVIDER}`)
    // What was asked is whole, but for the key.
    expect(request.json()).toEqual(MESSAGE)
    // Nor is it told who calls, or from where.
    expect(everythingOf(request)).not.toMatch(
      /canary-consumer|crm-canary|x-forwarded|x-real-ip|x-consumer/i,
    )
  })
})

describe('S19 what a client declares hop-by-hop', () => {
  test('takes away nothing that the gateway itself says', async () => {
    await using it = await given()
    const named =
      'authorization, x-request-id, content-length, host, via, accept-encoding, content-type'
    const client = await RawClient.open(it.gateway.port)
    const body = JSON.stringify(MESSAGE)
    const raw = await client.ask(
      `POST /v1/chat HTTP/1.1\r\nHost: g\r\nConnection: ${named}\r\napikey: ${CALLER}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    )
    client.destroy()
    expect(raw.status).toBe(200)
    const request = it.simulator.requests.at(-1)
    expect(request?.header('authorization')).toBe(`Bearer ${PROVIDER}`)
    expect(request?.header('content-length')).toBe(String(body.length))
    expect(request?.header('via')).toContain('pratu')
    expect(request?.header('accept-encoding')).toBe('identity')
    expect(raw.headers.get('x-request-id')).toBeDefined()
  })
})

describe('S16 a client cannot choose where a request goes', () => {
  test.each([
    ['x-portkey-custom-host', 'http://169.254.169.254/'],
    ['x-base-url', 'http://127.0.0.1:1'],
    ['api-base', 'http://localhost.:1'],
    ['x-forwarded-host', 'evil.test'],
    ['x-original-url', '/admin'],
    ['x-rewrite-url', '/admin'],
    ['forwarded', 'host=evil.test'],
  ])('by the header %s', async (name, value) => {
    await using it = await given()
    const answer = await fetch(`${it.gateway.url}/v1/chat`, {
      method: 'POST',
      headers: { apikey: CALLER, 'Content-Type': 'application/json', [name]: value },
      body: JSON.stringify({ ...MESSAGE, api_base: value, base_url: value }),
    })
    expect(answer.status).toBe(200)
    expect(it.simulator.requests.map(({ path }) => path)).toEqual(['/v1/chat/completions'])
    expect(it.simulator.requests[0]?.header('host')).toBe(`127.0.0.1:${it.simulator.port}`)
  })

  test.each([
    ['169.254.169.254', 'IPv4 link-local'],
    ['[::ffff:a9fe:a9fe]', 'the same in IPv6'],
    ['[fd00:ec2::254]', 'a metadata address of IPv6'],
    ['2852039166', 'the same as one number'],
    ['0xa9fea9fe', 'the same in hexadecimal'],
  ])('nor an operator by mistake: a service at %s (%s) is not reached', async (host) => {
    const configuration = `_format_version: "3.0"
services:
- {name: s, url: "http://${host}/latest/meta-data", connect_timeout: 300, retries: 0, routes: [{name: r, paths: [/m]}]}
`
    // Either the configuration is refused, or every request is.
    const gateway = await givenGateway({ configuration }).catch((error: unknown) => error)
    if (gateway instanceof Error) return
    await using served = gateway as GivenGateway
    const answer = await fetch(`${served.url}/m`)
    const text = await answer.text()
    expect([502, 503, 504]).toContain(answer.status)
    expect(text).not.toContain(host)
  })
})

describe('S17 a redirect with credentials', () => {
  test.each([301, 302, 303, 307, 308])(
    '%i: not followed, not shown, nobody else is asked',
    async (status) => {
      await using it = await given()
      const other = await startSimulator()
      const answer = await fetch(`${it.gateway.url}/v1/chat`, {
        method: 'POST',
        redirect: 'manual',
        headers: {
          apikey: CALLER,
          'Content-Type': 'application/json',
          'x-simulator-fault': `status=${status}; header=location: ${other.url}/v1/chat/completions`,
        },
        body: JSON.stringify(MESSAGE),
      })
      const text = await answer.text()
      expect([answer.status, answer.headers.get('location')]).toEqual([502, null])
      expect(text).not.toContain(String(other.port))
      expect([it.simulator.requests.length, other.requests.length]).toEqual([1, 0])
      await other.close()
    },
  )
})
