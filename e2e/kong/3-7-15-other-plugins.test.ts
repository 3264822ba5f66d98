import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { GivenGateway } from '../gateway.ts'
import {
  ask,
  at,
  configure,
  givenKong,
  givenUpstream,
  refusals,
  type Answered,
  type Asked,
  type GivenUpstream,
} from './support.ts'

let upstream: GivenUpstream
let given: GivenGateway
let trusting: GivenGateway

beforeAll(async () => {
  upstream = await givenUpstream()
  given = await givenKong({})
  trusting = await givenKong({}, { KONG_TRUSTED_IPS: '127.0.0.0/8' })
})
afterAll(async () => {
  await given[Symbol.asyncDispose]()
  await trusting[Symbol.asyncDispose]()
  await upstream[Symbol.asyncDispose]()
})

async function asked(
  plugins: readonly object[],
  request: Asked = {},
  to: GivenGateway = given,
): Promise<Answered> {
  const configured = await configure(to, {
    services: [
      {
        name: 'svc',
        url: `${upstream.url}/base`,
        routes: [{ name: 'r', paths: ['~/(?<seg>[a-z]*)'], strip_path: false }],
      },
    ],
    consumers: [
      {
        username: 'ann',
        acls: [{ group: 'admins' }, { group: 'staff' }],
        keyauth_credentials: [{ key: 'ann' }],
      },
      { username: 'bob', keyauth_credentials: [{ key: 'bob' }] },
      { username: 'guest', acls: [{ group: 'guests' }] },
    ],
    plugins,
  })
  if (configured.status !== 201) throw new Error(configured.text)
  return ask(to.port, request)
}

const plugin = (name: string, config: object = {}) => ({ name, config })
const messageOf = ({ text }: Answered): unknown => at(JSON.parse(text), 'message')
const refusedWith = (config: object, name: string) =>
  refusals(given, { plugins: [plugin(name, config)] })
const shownConfig = async (name: string, config: object): Promise<unknown> => {
  await configure(given, { plugins: [plugin(name, config)] })
  const response = await fetch(`${given.adminUrl}/plugins`)
  return at(await response.json(), 'data', 0, 'config')
}

describe('kong.md §3.7 acl', () => {
  const KEY = plugin('key-auth')
  const as = (apikey: string): Asked => ({ headers: { apikey } })
  const OR_GUEST = plugin('key-auth', { anonymous: 'guest' })
  const OR_NOBODY = plugin('key-auth', { anonymous: 'nobody' })

  test('fields', async () => {
    expect(await shownConfig('acl', { allow: ['a'] })).toEqual({
      allow: ['a'],
      deny: null,
      hide_groups_header: false,
      always_use_authenticated_groups: false,
    })
    const ONE =
      "plugins.1.config.@entity: exactly one of these fields must be non-empty: 'allow', 'deny'"
    expect(await refusedWith({}, 'acl')).toEqual([ONE])
    expect(await refusedWith({ allow: ['a'], deny: ['b'] }, 'acl')).toEqual([ONE])
  })

  const NO = 'You cannot consume this service'
  test.each([
    ['in an allowed group', { allow: ['x', 'staff'] }, KEY, as('ann'), 200, 'ok'],
    ['in none of them', { allow: ['x'] }, KEY, as('ann'), 403, NO],
    ['in no group', { allow: ['x'] }, KEY, as('bob'), 403, NO],
    ['in a denied group', { deny: ['staff'] }, KEY, as('ann'), 403, NO],
    ['in none that is denied', { deny: ['x'] }, KEY, as('ann'), 200, 'ok'],
    ['in no group, with a deny list', { deny: ['x'] }, KEY, as('bob'), 200, 'ok'],
    ['nobody', { allow: ['x'] }, OR_NOBODY, {}, 401, 'Unauthorized'],
    ['nobody, with a deny list', { deny: ['x'] }, OR_NOBODY, {}, 401, 'Unauthorized'],
    ['the anonymous consumer by its group', { allow: ['guests'] }, OR_GUEST, {}, 200, 'ok'],
    ['without authentication', { allow: ['x'] }, plugin('cors'), {}, 401, 'Unauthorized'],
  ] as const)('%s', async (_name, config, auth, request, status, message) => {
    const answer = await asked([auth, plugin('acl', config)], request)
    expect(answer.status).toBe(status)
    expect(answer.status === 200 ? answer.text : messageOf(answer)).toBe(message)
  })

  test('the upstream is told the groups, unless hidden, and never what the client claims', async () => {
    const claiming: Asked = {
      headers: { apikey: 'ann', 'X-Consumer-Groups': 'root', 'X-Authenticated-Groups': 'root' },
    }
    await asked([KEY, plugin('acl', { allow: ['staff'] })], claiming)
    expect(upstream.last.headers.get('x-consumer-groups')).toBe('admins, staff')
    expect(upstream.last.headers.has('x-authenticated-groups')).toBe(false)
    await asked([KEY, plugin('acl', { allow: ['staff'], hide_groups_header: true })], claiming)
    expect(upstream.last.headers.has('x-consumer-groups')).toBe(false)
  })
})

describe('kong.md §3.9 cors', () => {
  const ORIGIN = 'http://app.test'
  const preflight = (headers: Readonly<Record<string, string>> = {}): Asked => ({
    method: 'OPTIONS',
    path: '/a',
    headers: { Origin: ORIGIN, 'Access-Control-Request-Method': 'PUT', ...headers },
  })
  const simple = (origin = ORIGIN): Asked => ({ path: '/a', headers: { Origin: origin } })
  const allowOrigin = ({ headers }: Answered) => headers.get('access-control-allow-origin')

  test('fields', async () => {
    expect(await shownConfig('cors', {})).toEqual({
      origins: null,
      methods: ['GET', 'HEAD', 'PUT', 'PATCH', 'POST', 'DELETE', 'OPTIONS', 'TRACE', 'CONNECT'],
      headers: null,
      exposed_headers: null,
      credentials: false,
      max_age: null,
      preflight_continue: false,
      private_network: false,
    })
    expect(await refusedWith({ origins: ['('] }, 'cors')).toEqual([
      "plugins.1.config.origins.1: '(' is not a valid regex",
    ])
    expect(await refusedWith({ methods: ['FLY'] }, 'cors')).toEqual([
      'plugins.1.config.methods.1: expected one of: GET, HEAD, PUT, PATCH, POST, DELETE, OPTIONS, TRACE, CONNECT',
    ])
  })

  test('a preflight: 200, empty, before authentication, without the upstream', async () => {
    const before = upstream.requests.length
    const answer = await asked(
      [plugin('key-auth'), plugin('cors')],
      preflight({ 'Access-Control-Request-Headers': 'X-A,X-B' }),
    )
    expect([answer.status, answer.text]).toEqual([200, ''])
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'access-control-allow-origin': '*',
      'access-control-allow-methods': 'GET,HEAD,PUT,PATCH,POST,DELETE,OPTIONS,TRACE,CONNECT',
      'access-control-allow-headers': 'X-A,X-B',
      'content-length': '0',
    })
    expect(answer.headers.has('vary')).toBe(false)
    expect(upstream.requests.length).toBe(before)
  })

  test('a preflight with everything configured', async () => {
    const config = {
      origins: [ORIGIN],
      methods: ['GET', 'PUT'],
      headers: ['X-One', 'X-Two'],
      credentials: true,
      max_age: 600,
      private_network: true,
    }
    const answer = await asked(
      [plugin('cors', config)],
      preflight({ 'Access-Control-Request-Private-Network': 'true' }),
    )
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'access-control-allow-origin': ORIGIN,
      'access-control-allow-methods': 'GET,PUT',
      'access-control-allow-headers': 'X-One,X-Two',
      'access-control-allow-credentials': 'true',
      'access-control-max-age': '600',
      'access-control-allow-private-network': 'true',
      vary: 'Origin',
    })
  })

  test.each([
    ['no Origin', { method: 'OPTIONS', headers: { 'Access-Control-Request-Method': 'PUT' } }],
    ['no method asked for', { method: 'OPTIONS', headers: { Origin: ORIGIN } }],
    ['another method', { ...preflight(), method: 'GET' }],
  ])('%s: no preflight, the upstream answers', async (_name, request) => {
    const before = upstream.requests.length
    await asked([plugin('cors')], { path: '/a', ...request })
    expect(upstream.requests.length).toBe(before + 1)
  })

  test('preflight_continue: the upstream answers, and its fields stay', async () => {
    upstream.respond = (_request, response) =>
      response.writeHead(204, { 'Access-Control-Allow-Origin': 'theirs' }).end()
    const answer = await asked([plugin('cors', { preflight_continue: true })], preflight())
    upstream.respond = (_request, response) => response.end('ok')
    expect(answer.status).toBe(204)
    expect(allowOrigin(answer)).toBe('theirs')
  })

  test.each([
    ['none configured', undefined, ORIGIN, '*', undefined],
    ['["*"]', ['*'], ORIGIN, '*', undefined],
    ['one literal: always that', ['http://other.test'], ORIGIN, 'http://other.test', 'Origin'],
    ['a listed literal', ['http://other.test', ORIGIN], ORIGIN, ORIGIN, 'Origin'],
    ['none that matches', ['http://other.test', 'http://b.test'], ORIGIN, undefined, 'Origin'],
    ['a pattern', ['http://(app|web)[.]test'], ORIGIN, ORIGIN, 'Origin'],
    ['a pattern is anchored at its end', ['http://app[.]t'], ORIGIN, undefined, 'Origin'],
    ['and at its start', ['app[.]test', 'x'], 'http://my-app.test', undefined, 'Origin'],
    [
      'a host alone, any scheme and port',
      ['app.test', 'x'],
      'https://app.test:8443',
      'https://app.test:8443',
      'Origin',
    ],
    ['* in a list', ['http://other.test', '*'], ORIGIN, ORIGIN, 'Origin'],
  ])('Access-Control-Allow-Origin: %s', async (_name, origins, origin, allowed, vary) => {
    const config = origins === undefined ? {} : { origins }
    const answer = await asked([plugin('cors', config)], simple(origin))
    expect(allowOrigin(answer)).toBe(allowed)
    expect(answer.headers.get('vary')).toBe(vary)
  })

  test('credentials with *: the asking origin is told instead', async () => {
    const answer = await asked([plugin('cors', { credentials: true })], simple())
    expect(allowOrigin(answer)).toBe(ORIGIN)
    expect(answer.headers.get('access-control-allow-credentials')).toBe('true')
    expect(answer.headers.get('vary')).toBe('Origin')
  })

  test('exposed_headers, on refusals too', async () => {
    const answer = await asked(
      [plugin('key-auth'), plugin('cors', { exposed_headers: ['X-A', 'X-B'] })],
      simple(),
    )
    expect(answer.status).toBe(401)
    expect(answer.headers.get('access-control-expose-headers')).toBe('X-A,X-B')
  })
})

describe('kong.md §3.10 ip-restriction', () => {
  const from = (ip: string): Asked => ({ headers: { 'X-Real-IP': ip } })
  const verdict = async (config: object, ip: string): Promise<unknown> => {
    const answer = await asked([plugin('ip-restriction', config)], from(ip), trusting)
    return answer.status === 200 ? 'ok' : [answer.status, messageOf(answer)]
  }

  test('fields', async () => {
    expect(await shownConfig('ip-restriction', { deny: ['10.0.0.0/8'] })).toEqual({
      allow: null,
      deny: ['10.0.0.0/8'],
      status: null,
      message: null,
    })
    expect(await refusedWith({}, 'ip-restriction')).toEqual([
      "plugins.1.config.@entity: at least one of these fields must be non-empty: 'allow', 'deny'",
    ])
    expect(await refusedWith({ allow: ['10.0.0.0/33'] }, 'ip-restriction')).toEqual([
      "plugins.1.config.allow.1: invalid ip or cidr range: '10.0.0.0/33'",
    ])
  })

  test.each([
    [{ allow: ['10.0.0.0/8'] }, '10.1.2.3', 'ok'],
    [{ allow: ['10.0.0.0/8'] }, '11.1.2.3', [403, 'IP address not allowed: 11.1.2.3']],
    [{ deny: ['10.1.2.3'] }, '10.1.2.3', [403, 'IP address not allowed: 10.1.2.3']],
    [{ deny: ['10.1.2.3'] }, '10.1.2.4', 'ok'],
    [
      { allow: ['10.0.0.0/8'], deny: ['10.1.0.0/16'] },
      '10.1.2.3',
      [403, 'IP address not allowed: 10.1.2.3'],
    ],
    [{ allow: ['2001:db8::/32'] }, '2001:db8::1', 'ok'],
    [{ deny: ['10.0.0.0/8'], status: 451, message: 'Go away' }, '10.1.2.3', [451, 'Go away']],
  ])('%j: %s is told %j', async (config, ip, expected) => {
    expect(await verdict(config, ip)).toEqual(expected)
  })

  test('the address that an untrusted peer claims does not count', async () => {
    const answer = await asked(
      [plugin('ip-restriction', { allow: ['10.0.0.0/8'] })],
      from('10.1.2.3'),
    )
    expect(messageOf(answer)).toBe('IP address not allowed: 127.0.0.1')
  })
})

describe('kong.md §3.12 request-size-limiting', () => {
  const LIMIT = { allowed_payload_size: 4, size_unit: 'bytes' }
  const sized = (config: object, request: Asked) =>
    asked([plugin('request-size-limiting', config)], { method: 'POST', ...request })
  const chunked = (rawBody: string): Asked => ({
    headers: { 'Transfer-Encoding': 'chunked' },
    rawBody,
  })

  test('fields', async () => {
    expect(await shownConfig('request-size-limiting', {})).toEqual({
      allowed_payload_size: 128,
      size_unit: 'megabytes',
      require_content_length: false,
    })
    expect(await refusedWith({ size_unit: 'bits' }, 'request-size-limiting')).toEqual([
      'plugins.1.config.size_unit: expected one of: megabytes, kilobytes, bytes',
    ])
  })

  test.each([
    ['at the limit', LIMIT, '1234', 200],
    ['above it', LIMIT, '12345', 413],
    [
      'kilobytes are 1024',
      { allowed_payload_size: 1, size_unit: 'kilobytes' },
      'x'.repeat(1024),
      200,
    ],
    ['and no more', { allowed_payload_size: 1, size_unit: 'kilobytes' }, 'x'.repeat(1025), 413],
    ['megabytes by default', { allowed_payload_size: 1 }, 'x'.repeat(1_048_576), 200],
  ])('%s', async (_name, config, body, status) => {
    const answer = await sized(config, { body })
    expect(answer.status).toBe(status)
    if (status === 413) expect(messageOf(answer)).toBe('Request size limit exceeded')
  })

  test('a client that waits for 100 Continue is told 417', async () => {
    const answer = await sized(LIMIT, {
      headers: { Expect: '100-continue', 'Content-Length': '5' },
    })
    expect(answer.status).toBe(417)
    expect(messageOf(answer)).toBe('Request size limit exceeded')
  })

  test('without a length the body is measured', async () => {
    const large = await sized(LIMIT, chunked('5\r\n12345\r\n0\r\n\r\n'))
    expect(large.status).toBe(413)
    const small = await sized(LIMIT, chunked('4\r\n1234\r\n0\r\n\r\n'))
    expect(small.status).toBe(200)
    expect(upstream.last.body).toBe('1234')
  })

  test('require_content_length: 411, but not for a chunked body', async () => {
    const config = { ...LIMIT, require_content_length: true }
    const missing = await sized(config, {})
    expect(missing.status).toBe(411)
    expect(messageOf(missing)).toBe('A valid Content-Length header is required')
    const measured = await sized(config, chunked('4\r\n1234\r\n0\r\n\r\n'))
    expect(measured.status).toBe(200)
  })
})

describe('kong.md §3.13 request-transformer', () => {
  const transformed = async (config: object, request: Asked = {}): Promise<void> => {
    const answer = await asked([plugin('request-transformer', config)], { path: '/a', ...request })
    if (answer.status !== 200) throw new Error(`${answer.status}: ${answer.text}`)
  }
  const post = (type: string, body: string, headers: object = {}): Asked => ({
    method: 'POST',
    headers: { 'Content-Type': type, ...headers },
    body,
  })
  const seen = (name: string) => upstream.last.headers.get(name)
  const query = () => upstream.last.target.split('?')[1] ?? ''

  test('fields: lists are empty, records filled', async () => {
    const parts = { headers: [], querystring: [], body: [] }
    expect(await shownConfig('request-transformer', {})).toEqual({
      http_method: null,
      remove: parts,
      rename: parts,
      replace: { ...parts, uri: null },
      add: parts,
      append: parts,
    })
    expect(await refusedWith({ http_method: 'get' }, 'request-transformer')).toEqual([
      'plugins.1.config.http_method: invalid value: get',
    ])
    expect(await refusedWith({ add: { headers: ['x'] } }, 'request-transformer')).toEqual([
      "plugins.1.config.add.headers.1: key 'x' has no value",
    ])
  })

  test('headers: remove, rename, replace if present, add if absent, append', async () => {
    await transformed(
      {
        remove: { headers: ['X-Gone'] },
        rename: { headers: ['X-Old:X-New'] },
        replace: { headers: ['X-Here:replaced', 'X-Not-Here:never'] },
        add: { headers: ['X-Added:1', 'X-Here:never'] },
        append: { headers: ['X-More:2', 'X-More:3'] },
      },
      { headers: { 'X-Gone': '1', 'X-Old': 'old', 'X-Here': '1', 'X-More': '1' } },
    )
    expect(
      ['x-gone', 'x-old', 'x-new', 'x-here', 'x-not-here', 'x-added', 'x-more'].map(seen),
    ).toEqual([undefined, undefined, 'old', 'replaced', undefined, '1', '1, 2, 3'])
  })

  test('Host is only ever replaced', async () => {
    await transformed({ replace: { headers: ['Host:mine.test'] } })
    expect(seen('host')).toBe('mine.test')
    await transformed({ add: { headers: ['Host:mine.test'] }, remove: { headers: ['Host'] } })
    expect(seen('host')).toBe(`127.0.0.1:${upstream.port}`)
  })

  test('query: the same five, the rest as it came', async () => {
    await transformed(
      {
        remove: { querystring: ['gone'] },
        rename: { querystring: ['old:new'] },
        replace: { querystring: ['here:r', 'nothere:n'] },
        add: { querystring: ['added:1', 'here:n'] },
        append: { querystring: ['more:2'] },
      },
      { path: '/a?gone=1&old=o&here=1&more=1&kept=%20x' },
    )
    expect(query()).toBe('new=o&here=r&more=1&kept=%20x&added=1&more=2')
  })

  const BODY = {
    remove: { body: ['gone'] },
    rename: { body: ['old:new'] },
    replace: { body: ['here:r', 'nothere:n'] },
    add: { body: ['added:1', 'here:n'] },
    append: { body: ['more:2'] },
  }

  test('JSON: top-level members, values are strings', async () => {
    await transformed(
      BODY,
      post('application/json', '{"gone":1,"old":{"a":1},"here":1,"more":"1","deep":{"gone":1}}'),
    )
    expect(JSON.parse(upstream.last.body)).toEqual({
      new: { a: 1 },
      here: 'r',
      more: ['1', '2'],
      deep: { gone: 1 },
      added: '1',
    })
    expect(seen('content-length')).toBe(String(upstream.last.body.length))
  })

  test('urlencoded and multipart', async () => {
    await transformed(BODY, post('application/x-www-form-urlencoded', 'gone=1&old=o&here=1&more=1'))
    expect(upstream.last.body).toBe('new=o&here=r&more=1&added=1&more=2')
    const part = (name: string, value: string): string =>
      `--b\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`
    await transformed(
      { remove: { body: ['gone'] }, add: { body: ['added:1'] } },
      post('multipart/form-data; boundary=b', `${part('gone', '1')}${part('kept', '2')}--b--\r\n`),
    )
    expect(upstream.last.body).not.toContain('name="gone"')
    expect(upstream.last.body).toContain('name="kept"')
    expect(upstream.last.body).toContain('name="added"')
  })

  test('a body of another type passes as it is', async () => {
    await transformed(BODY, post('text/plain', 'gone=1'))
    expect(upstream.last.body).toBe('gone=1')
  })

  test('http_method; GET folds a form into the query', async () => {
    await transformed({ http_method: 'PUT' }, post('text/plain', 'x'))
    expect(upstream.last.method).toBe('PUT')
    await transformed(
      { http_method: 'GET' },
      { ...post('application/x-www-form-urlencoded', 'b=2&c=3'), path: '/a?a=1' },
    )
    expect([upstream.last.method, query()]).toEqual(['GET', 'a=1&b=2&c=3'])
  })

  test('replace.uri replaces the whole upstream path, and keeps the query', async () => {
    await transformed({ replace: { uri: '/other/$(uri_captures.seg)' } }, { path: '/a?x=1' })
    expect(upstream.last.target).toBe('/other/a?x=1')
  })

  test('templates: headers, arguments, captures by name and number, alternatives', async () => {
    await transformed(
      {
        add: {
          headers: [
            'X-1:$(headers["x-source"])',
            'X-2:$(headers.x_source)',
            'X-3:$(query_params.q)',
            'X-4:$(uri_captures.seg)-$(uri_captures[1])',
            'X-5:$(headers.absent or "else")',
          ],
        },
      },
      { path: '/a?q=arg', headers: { 'X-Source': 'src' } },
    )
    expect(['x-1', 'x-2', 'x-3', 'x-4', 'x-5'].map(seen)).toEqual([
      'src',
      'src',
      'arg',
      'a-a',
      'else',
    ])
  })

  test('S15 templates that would be code are refused', async () => {
    const [error] = await refusedWith(
      { add: { headers: ['X:$(os.execute("x"))'] } },
      'request-transformer',
    )
    expect(error).toContain('plugins.1.config.add.headers.1: ')
  })
})

describe('kong.md §3.15 request-termination', () => {
  const terminated = (config: object, request: Asked = {}) =>
    asked([plugin('request-termination', config)], request)

  test('fields', async () => {
    expect(await shownConfig('request-termination', {})).toEqual({
      status_code: 503,
      message: null,
      content_type: null,
      body: null,
      echo: false,
      trigger: null,
    })
    expect(await refusedWith({ status_code: 600 }, 'request-termination')).toEqual([
      'plugins.1.config.status_code: value should be between 100 and 599',
    ])
    expect(await refusedWith({ message: 'm', body: 'b' }, 'request-termination')).toEqual([
      'plugins.1.config.@entity: message cannot be used with content_type or body',
    ])
    expect(await refusedWith({ content_type: 't' }, 'request-termination')).toEqual([
      'plugins.1.config.@entity: content_type requires a body',
    ])
  })

  test.each([
    [503, '{"message":"Service unavailable"}'],
    [401, '{"message":"Unauthorized"}'],
    [404, '{"message":"Not found"}'],
    [405, '{"message":"Method not allowed"}'],
    [500, '{"message":"An unexpected error occurred"}'],
    [502, '{"message":"Bad Gateway"}'],
    [418, ''],
    [200, ''],
  ])('%i: %s', async (status_code, body) => {
    const answer = await terminated({ status_code })
    expect([answer.status, answer.text]).toEqual([status_code, body])
  })

  test('a message, or a body with its type', async () => {
    const message = await terminated({ status_code: 403, message: 'No "way"' })
    expect(message.text).toBe(JSON.stringify({ message: 'No "way"' }))
    expect(message.headers.get('content-type')).toBe('application/json; charset=utf-8')
    const body = await terminated({ body: '<p>down</p>', content_type: 'text/html' })
    expect(body.text).toBe('<p>down</p>')
    expect(body.headers.get('content-type')).toBe('text/html')
  })

  test('trigger: only with that header or argument', async () => {
    const config = { status_code: 418, trigger: 'X-Stop' }
    const statuses = []
    for (const request of [{}, { headers: { 'x-stop': '' } }, { path: '/?X-Stop=1' }])
      statuses.push((await terminated(config, request)).status)
    expect(statuses).toEqual([200, 418, 418])
  })

  test('echo: the request, the route and the service', async () => {
    const answer = await terminated(
      { echo: true, status_code: 404 },
      { method: 'POST', path: '/a?x=1', body: 'hello', headers: { 'X-A': '1' } },
    )
    expect(answer.status).toBe(404)
    expect(JSON.parse(answer.text)).toMatchObject({
      message: 'Not found',
      request: {
        method: 'POST',
        path: '/a',
        query: { x: '1' },
        headers: { 'x-a': '1' },
        raw_body: 'hello',
        uri_captures: { named: { seg: 'a' } },
      },
      matched_route: { name: 'r' },
      matched_service: { name: 'svc' },
    })
  })
})
