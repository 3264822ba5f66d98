import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { GivenGateway } from '../gateway.ts'
import {
  ask,
  at,
  configure,
  givenKong,
  givenPratu,
  givenUpstream,
  refusals,
  type Answered,
  type Asked,
  type GivenUpstream,
} from './support.ts'

let upstream: GivenUpstream
let kong: GivenGateway
let pratu: GivenGateway

beforeAll(async () => {
  upstream = await givenUpstream()
  kong = await givenKong({})
  pratu = await givenPratu({})
})
afterAll(async () => {
  await kong[Symbol.asyncDispose]()
  await pratu[Symbol.asyncDispose]()
  await upstream[Symbol.asyncDispose]()
})

const KEY = 'the-key'

async function asked(
  config: object,
  request: Asked,
  given: GivenGateway = kong,
): Promise<Answered> {
  const configured = await configure(given, {
    services: [{ url: upstream.url, routes: [{ paths: ['/'] }] }],
    consumers: [
      {
        username: 'ann',
        keyauth_credentials: [{ key: KEY }, { key: `Bearer ${KEY}-2` }, { key: 'ké' }],
      },
    ],
    plugins: [{ name: 'key-auth', config }],
  })
  if (configured.status !== 201) throw new Error(configured.text)
  return ask(given.port, request)
}

/** `ok` for a request that passed, else the refusal's text. */
async function verdict(config: object, request: Asked, given?: GivenGateway): Promise<unknown> {
  const { status, text } = await asked(config, request, given)
  return status === 200 ? 'ok' : at(JSON.parse(text), 'message')
}

const form = (body: string): Asked => ({
  method: 'POST',
  headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
  body,
})
const json = (body: string, type = 'application/json'): Asked => ({
  method: 'POST',
  headers: { 'Content-Type': type },
  body,
})
const multipart = (name: string, value: string): Asked => ({
  method: 'POST',
  headers: { 'Content-Type': 'multipart/form-data; boundary=b' },
  body: `--b\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n--b--\r\n`,
})

const MISSING = 'No API key found in request'
const DUPLICATE = 'Duplicate API key found'
const UNKNOWN = 'Unauthorized'

describe('kong.md §3.2 fields', () => {
  test('defaults', async () => {
    await asked({}, {})
    const response = await fetch(`${kong.adminUrl}/plugins`)
    expect(at(await response.json(), 'data', 0, 'config')).toEqual({
      key_names: ['apikey'],
      hide_credentials: false,
      anonymous: null,
      key_in_header: true,
      key_in_query: true,
      key_in_body: false,
      run_on_preflight: true,
      realm: null,
    })
  })

  test.each([
    [
      { key_names: ['a b'] },
      "config.key_names.1: bad header name 'a b', allowed characters are A-Z, a-z, 0-9, '_', and '-'",
    ],
    [{ key_names: 'apikey' }, 'config.key_names: expected an array'],
    [{ hide_credentials: 'yes' }, 'config.hide_credentials: expected a boolean'],
    [{ anonymous: '' }, 'config.anonymous: length must be at least 1'],
  ])('%j is refused', async (config, error) => {
    expect(await refusals(kong, { plugins: [{ name: 'key-auth', config }] })).toEqual([
      `plugins.1.${error}`,
    ])
  })
})

describe('kong.md §3.2 where the key is looked for', () => {
  const BODY = { key_in_body: true }

  test.each([
    ['a header', {}, { headers: { apikey: KEY } }, 'ok'],
    ['a header in any case', {}, { headers: { ApiKey: KEY } }, 'ok'],
    ['the query', {}, { path: `/?apikey=${KEY}` }, 'ok'],
    ['the query, escaped', {}, { path: '/?apikey=the%2dkey' }, 'ok'],
    ['the query in another case', {}, { path: `/?ApiKey=${KEY}` }, MISSING],
    [
      'no header when switched off',
      { key_in_header: false },
      { headers: { apikey: KEY } },
      MISSING,
    ],
    ['no query when switched off', { key_in_query: false }, { path: `/?apikey=${KEY}` }, MISSING],
    ['no body unless switched on', {}, form(`apikey=${KEY}`), MISSING],
    ['a form', BODY, form(`a=1&apikey=${KEY}`), 'ok'],
    ['a form in another case', BODY, form(`Apikey=${KEY}`), MISSING],
    ['a JSON object', BODY, json(`{"a":1,"apikey":"${KEY}"}`), 'ok'],
    ['a JSON object, deeper', BODY, json(`{"a":{"apikey":"${KEY}"}}`), MISSING],
    ['a JSON list', BODY, json(`["${KEY}"]`), MISSING],
    ['a JSON number', BODY, json('{"apikey":1}'), MISSING],
    ['multipart', BODY, multipart('apikey', KEY), 'ok'],
    ['a body that cannot be read', BODY, json('{"apikey":'), MISSING],
    ['a body of another type', BODY, json(`{"apikey":"${KEY}"}`, 'text/plain'), MISSING],
    ['another name', { key_names: ['x-key'] }, { headers: { 'X-Key': KEY } }, 'ok'],
    ['any of several names', { key_names: ['a', 'b'] }, { headers: { b: KEY } }, 'ok'],
  ] as const)('%s', async (_name, config, request, expected) => {
    expect(await verdict(config, request)).toBe(expected)
  })

  test.each([
    ['header before query', {}, { path: '/?apikey=wrong', headers: { apikey: KEY } }, 'ok'],
    [
      'so a wrong header is not mended',
      {},
      { path: `/?apikey=${KEY}`, headers: { apikey: 'no' } },
      UNKNOWN,
    ],
    ['query before body', BODY, { ...form('apikey=wrong'), path: `/?apikey=${KEY}` }, 'ok'],
    [
      'all places of the first name before the second',
      { key_names: ['a', 'b'] },
      { path: `/?a=${KEY}`, headers: { b: 'wrong' } },
      'ok',
    ],
  ] as const)('%s', async (_name, config, request, expected) => {
    expect(await verdict(config, request)).toBe(expected)
  })
})

describe('kong.md §3.2 refusals', () => {
  const twice = [
    ['apikey', KEY],
    ['apikey', KEY],
  ] as const

  test.each([
    ['none', {}, {}, MISSING],
    ['an empty one', {}, { headers: { apikey: '' } }, MISSING],
    ['an empty argument', {}, { path: '/?apikey=' }, MISSING],
    ['an unknown one', {}, { headers: { apikey: 'no' } }, UNKNOWN],
    ['one in another case', {}, { headers: { apikey: KEY.toUpperCase() } }, UNKNOWN],
    ['a header twice', {}, { headers: twice }, DUPLICATE],
    ['an argument twice', {}, { path: `/?apikey=${KEY}&apikey=${KEY}` }, DUPLICATE],
    ['a form member twice', { key_in_body: true }, form(`apikey=${KEY}&apikey=x`), DUPLICATE],
    ['a JSON list', { key_in_body: true }, json(`{"apikey":["${KEY}"]}`), DUPLICATE],
  ] as const)('%s: %j', async (_name, config, request, message) => {
    const answer = await asked(config, request)
    expect(answer.status).toBe(401)
    expect(at(JSON.parse(answer.text), 'message')).toBe(message)
    expect(answer.headers.get('www-authenticate')).toBe('Key')
  })

  test('the realm is told when there is one', async () => {
    for (const headers of [{}, { apikey: 'no' }]) {
      const answer = await asked({ realm: 'my api' }, { headers })
      expect(answer.headers.get('www-authenticate')).toBe('Key realm="my api"')
    }
  })

  test('OPTIONS needs a key unless run_on_preflight is off', async () => {
    const request: Asked = { method: 'OPTIONS' }
    expect(await verdict({}, request)).toBe(MISSING)
    expect(await verdict({ run_on_preflight: false }, request)).toBe('ok')
    expect(await verdict({ run_on_preflight: false }, {})).toBe(MISSING)
  })
})

describe('kong.md §3.2 hide_credentials', () => {
  const both = { key_names: ['apikey', 'other'], key_in_body: true }

  test('off: the key passes on as it came', async () => {
    await asked({}, { path: `/?apikey=${KEY}&a=1` })
    expect(upstream.last.target).toBe(`/?apikey=${KEY}&a=1`)
    await asked({}, { headers: { apikey: KEY } })
    expect(upstream.last.headers.get('apikey')).toBe(KEY)
  })

  const HIDE = { ...both, hide_credentials: true }

  test('the header of that name goes, and nothing else', async () => {
    await asked(HIDE, { headers: { apikey: KEY, other: 'x', 'x-api': 'y' } })
    expect(upstream.last.headers.has('apikey')).toBe(false)
    expect(upstream.last.headers.get('other')).toBe('x')
    expect(upstream.last.headers.get('x-api')).toBe('y')
  })

  test('the argument of that name goes, also when the key was in the header', async () => {
    await asked(HIDE, { path: `/p?a=1&apikey=${KEY}&b=%20&other=x` })
    expect(upstream.last.target).toBe('/p?a=1&b=%20&other=x')
    await asked(HIDE, { path: '/p?apikey=anything', headers: { apikey: KEY } })
    expect(upstream.last.target).toBe('/p')
  })

  test('the member of the body goes, when bodies are searched', async () => {
    await asked(HIDE, json(`{"a":1,"apikey":"${KEY}","b":[2]}`))
    expect(JSON.parse(upstream.last.body)).toEqual({ a: 1, b: [2] })
    await asked(HIDE, form(`a=1&apikey=${KEY}&b=2`))
    expect(upstream.last.body).toBe('a=1&b=2')
    await asked(HIDE, multipart('apikey', KEY))
    expect(upstream.last.body).not.toContain(KEY)
    expect(upstream.last.headers.get('content-length')).toBe(String(upstream.last.body.length))
  })
})

describe('kong.md §3.2 Authorization', () => {
  const config = { key_names: ['authorization'] }

  test('the whole value is the key', async () => {
    const headers = { Authorization: `Bearer ${KEY}-2` }
    for (const given of [kong, pratu]) expect(await verdict(config, { headers }, given)).toBe('ok')
    expect(await verdict(config, { headers: { Authorization: KEY } })).toBe('ok')
  })

  test('`Bearer ` is not taken off under compatibility: kong, and is otherwise', async () => {
    const headers = { Authorization: `Bearer ${KEY}` }
    expect(await verdict(config, { headers })).toBe(UNKNOWN)
    expect(await verdict(config, { headers }, pratu)).toBe('ok')
  })

  test.each([
    ['Authorization: Bearer', { Authorization: `Bearer ${KEY}` }],
    ['x-api-key', { 'x-api-key': KEY }],
    ['api-key', { 'api-key': KEY }],
    ['x-goog-api-key', { 'x-goog-api-key': KEY }],
  ])(
    'architecture §4 %s is read beside the configured names, but for Kong itself',
    async (_name, headers) => {
      expect(await verdict({}, { headers }, pratu)).toBe('ok')
      expect(await verdict({}, { headers })).toBe(MISSING)
    },
  )
})
