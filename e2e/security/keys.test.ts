import { startSimulator, type Simulator } from '@pratu/simulator'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { RawClient } from '../../packages/gateway/src/listener/testing/raw-client.ts'
import { givenGateway, type GivenGateway } from '../gateway.ts'

const KEY = 'alice-key-0123456789'
const ROUTES: Readonly<Record<string, string>> = {
  prefix: 'paths: [/v1/chat], strip_path: false',
  regex: 'paths: ["~/models/[a-z]+$"]',
  admin: 'paths: [/admin]',
  host: 'hosts: [internal.test]',
  method: 'methods: [DELETE]',
  header: 'headers: {x-version: ["2"]}',
}
/** A request that each of these routes serves. */
const REQUESTS: Readonly<Record<string, string>> = {
  prefix: 'POST /v1/chat/completions HTTP/1.1\r\nHost: g\r\n',
  regex: 'GET /models/gpt HTTP/1.1\r\nHost: g\r\n',
  admin: 'GET /admin HTTP/1.1\r\nHost: g\r\n',
  host: 'GET /anything HTTP/1.1\r\nHost: internal.test\r\n',
  method: 'DELETE /anything HTTP/1.1\r\nHost: g\r\n',
  header: 'GET /anything HTTP/1.1\r\nHost: g\r\nX-Version: 2\r\n',
}

let simulator: Simulator
let gateway: GivenGateway

beforeAll(async () => {
  simulator = await startSimulator()
  gateway = await givenGateway({
    configuration: `_format_version: "3.0"
services:
- name: s
  url: ${simulator.url}
  routes:
${Object.entries(ROUTES)
  .map(([name, fields]) => `  - {name: ${name}, ${fields}}`)
  .join('\n')}
plugins:
- name: key-auth
consumers:
- {username: alice, keyauth_credentials: [{key: ${KEY}}]}
`,
  })
})

afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await simulator.close()
})

async function ask(head: string): Promise<{ status: number; body: string }> {
  const client = await RawClient.open(gateway.port)
  try {
    const { status, body } = await client.ask(`${head}\r\n`)
    return { status, body: body.toString() }
  } finally {
    client.destroy()
  }
}

describe('S07 every route asks for a key', () => {
  test.each(Object.entries(REQUESTS))('%s', async (_route, head) => {
    simulator.clear()
    expect((await ask(head)).status).toBe(401)
    expect(simulator.requests).toHaveLength(0)
    await ask(`${head}apikey: ${KEY}\r\n`)
    expect(simulator.requests).toHaveLength(1)
  })

  test('so that this list is all of them', () => {
    expect(Object.keys(REQUESTS)).toEqual(Object.keys(ROUTES))
  })

  test.each(['HEAD', 'OPTIONS', 'PUT', 'PATCH', 'PROPFIND'])(
    'with the method %s too',
    async (method) => {
      const client = await RawClient.open(gateway.port)
      const request = `${method} /admin HTTP/1.1\r\nHost: g\r\n\r\n`
      expect((await client.ask(request, { isHead: method === 'HEAD' })).status).toBe(401)
      client.destroy()
    },
  )

  test.each(['/health', '/livez', '/readyz', '/metrics'])('but for the probe %s', async (path) => {
    expect((await ask(`GET ${path} HTTP/1.1\r\nHost: g\r\n`)).status).toBe(200)
  })

  test.each(['/config', '/status', '/services', '/consumers', '/v1/metrics/latency'])(
    'S36 and the admin port’s %s is not here',
    async (path) => {
      expect((await ask(`GET ${path} HTTP/1.1\r\nHost: g\r\n`)).status).toBe(404)
    },
  )
})

describe('S05 target and Host cannot be read in two ways', () => {
  test.each([
    ['GET //evil/admin HTTP/1.1\r\nHost: g\r\n'],
    ['GET http://evil/admin HTTP/1.1\r\nHost: g\r\n'],
    ['GET http://g@evil/admin HTTP/1.1\r\nHost: g\r\n'],
    ['GET /models/x/../../admin HTTP/1.1\r\nHost: g\r\n'],
    ['GET /models/%2e%2e/admin HTTP/1.1\r\nHost: g\r\n'],
    ['GET /models\\..\\admin HTTP/1.1\r\nHost: g\r\n'],
    ['GET /admin HTTP/1.1\r\nHost: good@evil\r\n'],
    ['GET /admin HTTP/1.1\r\nHost: a/../admin?\r\n'],
    ['GET /admin HTTP/1.1\r\nHost: \r\n'],
    ['GET /admin HTTP/1.1\r\nHost: g\r\nHost: internal.test\r\n'],
    ['GET /admin HTTP/1.1\r\nHost: internal.test, g\r\n'],
    ['GET http://internal.test/admin HTTP/1.1\r\nHost: g\r\n'],
    ['GET admin HTTP/1.1\r\nHost: g\r\n'],
    ['GET /admin#/models/x HTTP/1.1\r\nHost: g\r\n'],
  ])('%j reaches nobody without a key', async (head) => {
    simulator.clear()
    const { status } = await ask(head)
    expect([400, 401, 404]).toContain(status)
    expect(simulator.requests).toHaveLength(0)
  })
})

const NAUGHTY = [
  "' OR '1'='1",
  "'; DROP TABLE keys; --",
  '" OR ""="',
  '*',
  'alice-key-*',
  'alice-key-[0-9]',
  '%',
  '_',
  '{"$ne":null}',
  '{"$gt":""}',
  '[object Object]',
  '__proto__',
  'constructor',
  'toString',
  'hasOwnProperty',
  '${jndi:ldap://evil}',
  '{{7*7}}',
  '$(id)',
  '../../../etc/passwd',
  'true',
  '0',
  'NaN',
  '\\x00',
  'a'.repeat(8_000),
  `${KEY} `.repeat(2),
  KEY.slice(0, -1),
  `${KEY}x`,
  KEY.toUpperCase(),
  'é'.repeat(20),
]

describe('S08 a key is only ever looked up', () => {
  test.each(NAUGHTY)('%j opens nothing', async (value) => {
    const bytes = Buffer.from(value).toString('latin1')
    for (const field of [`apikey: ${bytes}`, `Authorization: Bearer ${bytes}`]) {
      const { status } = await ask(`GET /admin HTTP/1.1\r\nHost: g\r\n${field}\r\n`)
      expect([401, 429]).toContain(status)
    }
    const query = encodeURIComponent(value).slice(0, 4_000)
    const { status } = await ask(`GET /admin?apikey=${query} HTTP/1.1\r\nHost: g\r\n`)
    expect([401, 429]).toContain(status)
  })

  test('as the name of a model it is only text', async () => {
    for (const model of [...NAUGHTY, 'a\r\nX-Evil: 1', 'a\0b', '😀']) {
      const answer = await fetch(`${gateway.url}/v1/chat/completions`, {
        method: 'POST',
        headers: { apikey: KEY, 'Content-Type': 'application/json' },
        body: JSON.stringify({ model, messages: [{ role: 'user', content: 'hi' }] }),
      })
      expect(answer.status).toBe(200)
      expect(answer.headers.get('x-evil')).toBeNull()
      await answer.text()
    }
    const metrics = await (await fetch(`${gateway.adminUrl}/metrics`)).text()
    expect(metrics.split('\n').every((line) => /^(#|$|[a-z_:]+(\{.*\})? \S+$)/i.test(line))).toBe(
      true,
    )
  })
})

describe('S12 what was never set opens nothing', () => {
  test.each([
    'apikey: ',
    'apikey: undefined',
    'apikey: null',
    'Authorization: Bearer',
    'Authorization: Bearer ',
    'Authorization: Bearer undefined',
    'Authorization: Bearer null',
    'Authorization: ',
    'x-api-key: undefined',
  ])('%s', async (field) => {
    expect((await ask(`GET /admin HTTP/1.1\r\nHost: g\r\n${field}\r\n`)).status).toBe(401)
  })

  test.each(['""', '"   "'])('a consumer cannot be given the key %s', async (key) => {
    const configuration = `_format_version: "3.0"
consumers:
- {username: a, keyauth_credentials: [{key: ${key}}]}
plugins: [{name: key-auth}]
services: [{name: s, url: "${simulator.url}", routes: [{name: r, paths: [/]}]}]
`
    const started = await givenGateway({ configuration }).catch((error: unknown) => error)
    if (started instanceof Error) return
    await using open = started as GivenGateway
    const answer = await fetch(`${open.url}/`, { headers: { apikey: JSON.parse(key) as string } })
    expect(answer.status).toBe(401)
  })

  test.each(['', ' ', 'undefined', 'null'])(
    'the admin token %j is refused at start',
    async (token) => {
      const given = givenGateway({
        configuration: '_format_version: "3.0"\n',
        environment: { PRATU_ADMIN_TOKEN: token },
      })
      await expect(given).rejects.toThrow(/PRATU_ADMIN_TOKEN/)
    },
  )

  test.each([
    ['whose variable is not set', "'$(NEVER_SET_CANARY)'"],
    ['whose vault entry is not set', "'{vault://env/never-set-canary}'"],
    ['whose variable is empty', "'$(EMPTY_CANARY)'"],
    ['that is empty', '""'],
    ['that is blank', '" "'],
    ['of which one is empty', '[a, ""]'],
  ])('a provider’s key %s is refused at start', async (_what, key) => {
    const given = givenGateway({
      configuration: `_format_version: "3.0"\nproviders: [{name: openai, api_key: ${key}}]\n`,
      environment: { EMPTY_CANARY: '' },
    })
    await expect(given).rejects.toThrow()
  })
})
