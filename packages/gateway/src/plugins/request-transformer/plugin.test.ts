import {
  describePlugin,
  givenBody,
  givenContext,
  givenExchange,
  parseConfig,
  runExchange,
  type ContextGiven,
  type ExchangeGiven,
} from '@pratu/plugin-kit/testing'
import type { RequestBody } from '@pratu/plugin-kit'
import { describe, expect, test } from 'vitest'
import { parseJson } from '../../http/index.ts'
import { requestTransformer } from './plugin.ts'

describePlugin(requestTransformer, {
  validConfig: {
    http_method: 'POST',
    remove: { headers: ['X-Internal'], querystring: ['debug'], body: ['secret'] },
    add: {
      headers: ['X-A:$(headers["x-b"])'],
      querystring: ['v:1'],
      body: ['a:$(query_params.q)'],
    },
  },
  invalidConfigs: [
    { config: { http_method: 'get' }, message: 'invalid value: get', path: 'http_method' },
    {
      config: { add: { headers: ['X-A'] } },
      message: "key 'X-A' has no value",
      path: 'add.headers.0',
    },
    {
      config: { add: { headers: ['X A:b'] } },
      message: "'X A' is not a valid header",
      path: 'add.headers.0',
    },
    {
      config: { rename: { headers: ['X-A:X B'] } },
      message: "'X B' is not a valid header",
      path: 'rename.headers.0',
    },
    {
      config: { rename: { body: ['a'] } },
      message: "key 'a' has no value",
      path: 'rename.body.0',
    },
    { config: { remove: { uri: '/x' } }, message: 'unknown field' },
    { config: { append: { body: 'a:b' } }, message: 'expected an array', path: 'append.body' },
    {
      config: { replace: { uri: '/$(os.exit())' } },
      message:
        "failed to compile template '$(os.exit())': a value is headers, query_params, uri_captures, shared or quoted text",
      path: 'replace.uri',
    },
  ],
})

const run = async (
  raw: Readonly<Record<string, unknown>>,
  given: ExchangeGiven = {},
  context: ContextGiven = {},
) => {
  const exchange = givenExchange({ host: 'gateway.test', ...given })
  const plugin = requestTransformer.create(
    parseConfig(requestTransformer, raw),
    givenContext(context),
  )
  const { reply } = await runExchange(plugin, exchange)
  const { upstream, request } = exchange
  return {
    reply,
    method: upstream.method,
    uri: upstream.path + upstream.query,
    headers: upstream.headers.toObject(),
    body: Buffer.from(await request.body.bytes(1_000_000)).toString(),
  }
}

describe('kong.md §3.13 headers', () => {
  const headers = { 'X-One': '1', 'X-Two': ['a', 'b'] }
  const edited = async (raw: Readonly<Record<string, unknown>>, more: ExchangeGiven = {}) => {
    const { host, ...rest } = (await run(raw, { headers, ...more })).headers
    expect(host).toBe('gateway.test')
    return rest
  }

  test('remove, also every one of a repeated field', async () => {
    expect(await edited({ remove: { headers: ['x-TWO', 'X-None'] } })).toEqual({ 'x-one': '1' })
  })

  test('rename keeps all values; an absent field changes nothing', async () => {
    expect(await edited({ rename: { headers: ['x-two:X-New', 'X-None:X-One'] } })).toEqual({
      'x-one': '1',
      'x-new': 'a, b',
    })
  })

  test('replace only what is there, with one value', async () => {
    expect(await edited({ replace: { headers: ['X-Two:c', 'X-None:n'] } })).toEqual({
      'x-one': '1',
      'x-two': 'c',
    })
  })

  test('add only what is not there', async () => {
    expect(await edited({ add: { headers: ['X-One:2', 'X-Three: 3:4'] } })).toEqual({
      'x-one': '1',
      'x-two': 'a, b',
      'x-three': '3:4',
    })
  })

  test('append always', async () => {
    expect(await edited({ append: { headers: ['X-One:2', 'X-Three:3', 'X-Three:4'] } })).toEqual({
      'x-one': '1, 2',
      'x-two': 'a, b',
      'x-three': '3, 4',
    })
  })

  test('in the order remove, rename, replace, add, append', async () => {
    const raw = {
      append: { headers: ['X-Three:appended'] },
      add: { headers: ['X-One:added', 'X-Three:not-added'] },
      replace: { headers: ['X-Three:replaced', 'X-One:not-replaced'] },
      rename: { headers: ['X-Two:X-Three', 'X-One:X-Four'] },
      remove: { headers: ['X-One'] },
    }
    expect(await edited(raw)).toEqual({ 'x-one': 'added', 'x-three': 'replaced, appended' })
  })

  test('Host is only ever replaced', async () => {
    const raw = {
      remove: { headers: ['Host'] },
      rename: { headers: ['Host:X-Host', 'X-One:Host'] },
      add: { headers: ['Host:added'] },
      append: { headers: ['Host:appended'] },
    }
    expect((await run(raw, { headers })).headers).toEqual({
      host: 'gateway.test',
      'x-one': '1',
      'x-two': 'a, b',
    })
    expect((await run({ replace: { headers: ['Host:other.test'] } })).headers['host']).toBe(
      'other.test',
    )
  })

  test('framing is out of reach', async () => {
    const raw = {
      add: { headers: ['Transfer-Encoding:chunked', 'Connection:close'] },
      append: { headers: ['Content-Length:0'] },
      rename: { headers: ['X-One:Content-Length'] },
    }
    expect(await edited(raw)).toEqual({ 'x-one': '1', 'x-two': 'a, b' })
  })

  test('values from the request cannot begin another field', async () => {
    const { headers: sent } = await run(
      { add: { headers: ['X-Q:$(query_params.q)'] } },
      { target: '/?q=a%0d%0aX-Evil:%20b%00%E2%82%AC' },
    )
    expect(sent['x-evil']).toBeUndefined()
    expect(sent['x-q']).toBe(`a%0D%0AX-Evil: b%00${Buffer.from('€').toString('latin1')}`)
  })
})

describe('kong.md §3.13 query', () => {
  const query = async (edits: Readonly<Record<string, readonly string[]>>, target: string) => {
    const raw = Object.fromEntries(
      Object.entries(edits).map(([operation, querystring]) => [operation, { querystring }]),
    )
    return (await run(raw, { target })).uri
  }

  test('remove, rename, replace, add and append; the rest stays byte for byte', async () => {
    expect(await query({ remove: ['a', 'none'] }, '/p?a=1&b=%7e+x&a&c')).toBe('/p?b=%7e+x&c')
    expect(await query({ remove: ['a'] }, '/p?a=1')).toBe('/p')
    expect(await query({ rename: ['a:b', 'none:c'] }, '/p?a=1&b=2&c=3')).toBe('/p?b=1&c=3')
    expect(await query({ replace: ['a:x y', 'none:z'] }, '/p?a=1&b=2&a=3')).toBe('/p?a=x%20y&b=2')
    expect(await query({ add: ['a:2', 'n:ü&'] }, '/p?a=1')).toBe('/p?a=1&n=%C3%BC%26')
    expect(await query({ append: ['a:2', 'n:3'] }, '/p?a=1')).toBe('/p?a=1&a=2&n=3')
    expect(await query({ add: ['a:1'] }, '/p')).toBe('/p?a=1')
  })

  test('in the order remove, rename, replace, add, append', async () => {
    const edits = {
      append: ['c:appended'],
      add: ['a:added', 'c:no'],
      replace: ['c:replaced'],
      rename: ['b:c'],
      remove: ['a'],
    }
    expect(await query(edits, '/?a=1&b=2')).toBe('/?c=replaced&a=added&c=appended')
  })
})

describe('kong.md §3.13 JSON bodies', () => {
  const JSON_TYPE = { 'Content-Type': 'application/json; charset=utf-8' }
  const body = async (
    edits: Readonly<Record<string, readonly string[]>>,
    given: ExchangeGiven['body'],
    headers: Record<string, string> = JSON_TYPE,
  ) => {
    const raw = Object.fromEntries(
      Object.entries(edits).map(([operation, list]) => [operation, { body: list }]),
    )
    return (
      await run(raw, { method: 'POST', headers, ...(given !== undefined && { body: given }) })
    ).body
  }

  test('remove, rename, replace, add and append top-level members; values are strings', async () => {
    const given = { a: 1, b: { a: 2 }, c: ['x'] }
    expect(JSON.parse(await body({ remove: ['a', 'none'] }, given))).toEqual({
      b: { a: 2 },
      c: ['x'],
    })
    expect(JSON.parse(await body({ rename: ['a:d', 'none:b'] }, given))).toEqual({
      d: 1,
      b: { a: 2 },
      c: ['x'],
    })
    expect(JSON.parse(await body({ replace: ['a:7', 'none:8'] }, given))).toEqual({
      ...given,
      a: '7',
    })
    expect(JSON.parse(await body({ add: ['a:7', 'n:true'] }, given))).toEqual({
      ...given,
      n: 'true',
    })
    expect(JSON.parse(await body({ append: ['a:2', 'c:y', 'n:z'] }, given))).toEqual({
      a: [1, '2'],
      b: { a: 2 },
      c: ['x', 'y'],
      n: ['z'],
    })
  })

  test('`false` and `null` count as present', async () => {
    const given = { f: false, n: null }
    expect(JSON.parse(await body({ add: ['f:x', 'n:x'] }, given))).toEqual(given)
    expect(JSON.parse(await body({ replace: ['f:x', 'n:x'] }, given))).toEqual({ f: 'x', n: 'x' })
    expect(JSON.parse(await body({ append: ['f:x', 'n:x'] }, given))).toEqual({
      f: [false, 'x'],
      n: ['x'],
    })
  })

  test('an empty body becomes an object when something is added, and only then', async () => {
    expect(await body({ add: ['a:1'], append: ['b:2'] }, undefined)).toBe('{"a":"1","b":["2"]}')
    expect(await body({ remove: ['a'], replace: ['a:1'] }, undefined)).toBe('')
  })

  test('what is no object, no JSON, or of another type passes as it is', async () => {
    for (const given of ['[1, 2]', '"text"', '7', 'null', '{"a":', 'nonsense']) {
      expect(await body({ add: ['a:1'] }, given)).toBe(given)
    }
    expect(await body({ add: ['a:1'] }, '{}', { 'Content-Type': 'text/plain' })).toBe('{}')
    expect(await body({ add: ['a:1'] }, '{}', {})).toBe('{}')
  })

  test('nothing changes byte for byte when no edit applies', async () => {
    const given = '{ "a" : 1e400, "b":12345678901234567890 }'
    expect(await body({ remove: ['x'], replace: ['y:1'], add: ['a:1'] }, given)).toBe(given)
  })

  test('members that no edit names keep every digit', async () => {
    const bytes = Buffer.from('{"a":12345678901234567890,"b":1.10,"z":0}')
    const replaced: string[] = []
    const spanned: RequestBody = {
      ...givenBody(bytes),
      json: () => parseJson(bytes, { maxDepth: 64, maxMembers: 1_000, uniqueKeys: true }),
      replace: (edited) => void replaced.push(Buffer.from(edited).toString()),
    }
    await body({ remove: ['z'], rename: ['a:c'] }, spanned)
    expect(replaced).toEqual(['{"b":1.10,"c":12345678901234567890}'])
  })

  test('S24 members called __proto__ and constructor are members like others', async () => {
    const given = '{"__proto__":{"polluted":true},"constructor":1}'
    expect(await body({ add: ['x:1'] }, given)).toBe(
      '{"__proto__":{"polluted":true},"constructor":1,"x":"1"}',
    )
    expect(await body({ append: ['__proto__:y'], remove: ['constructor'] }, given)).toBe(
      '{"__proto__":[{"polluted":true},"y"]}',
    )
    expect('polluted' in {}).toBe(false)
  })

  test('a body may arrive late and in chunks', async () => {
    const late = givenBody('{"a":1}', { pending: true, chunked: true })
    expect(await body({ remove: ['a'] }, late)).toBe('{}')
  })
})

describe('kong.md §3.13 forms', () => {
  const FORM = { 'Content-Type': 'application/x-www-form-urlencoded' }

  test('urlencoded bodies are edited as the query is', async () => {
    const raw = {
      remove: { body: ['a'] },
      rename: { body: ['b:c'] },
      replace: { body: ['d:x y'] },
      add: { body: ['e:1'] },
      append: { body: ['d:2'] },
    }
    const { body, uri } = await run(raw, {
      method: 'POST',
      target: '/?a=1',
      headers: FORM,
      body: 'a=1&b=+%41&d=0',
    })
    expect([body, uri]).toEqual(['c=%20A&d=x%20y&e=1&d=2', '/?a=1'])
  })

  test('http_method changes the method; GET, HEAD and TRACE fold a form into the query', async () => {
    expect((await run({ http_method: 'PUT' }, { method: 'POST' })).method).toBe('PUT')
    for (const http_method of ['GET', 'HEAD', 'TRACE']) {
      const folded = await run(
        { http_method, remove: { querystring: ['x'] } },
        {
          method: 'POST',
          target: '/?a=1&x',
          headers: FORM,
          body: 'b=2&a=3&c=%0d%0a\r\nHost: evil',
        },
      )
      expect([folded.method, folded.uri]).toEqual([
        http_method,
        '/?a=1&b=2&a=3&c=%0D%0A%0D%0AHost%3A%20evil',
      ])
    }
    const json = {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: '{"a":1}',
    }
    expect((await run({ http_method: 'GET' }, json)).uri).toBe('/')
    expect(
      (await run({ http_method: 'PUT' }, { method: 'POST', headers: FORM, body: 'a=1' })).uri,
    ).toBe('/')
  })

  const BOUNDARY = 'xYz'
  const part = (name: string, content: string, more = '') =>
    `--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"${more}\r\n\r\n${content}\r\n`
  const MULTIPART = { 'Content-Type': `multipart/form-data; boundary="${BOUNDARY}"` }
  const file = part('file', 'bytes\r\n\r\n\u00ff', '; filename="f.bin"\r\nContent-Type: a/b')
  const multipart = async (raw: Readonly<Record<string, unknown>>, body: string) =>
    (await run(raw, { method: 'POST', headers: MULTIPART, body })).body

  test('multipart bodies: remove, rename, replace and add fields; files stay byte for byte', async () => {
    const given = `${part('a', '1')}${file}${part('b', '2')}--${BOUNDARY}--\r\n`
    const raw = {
      remove: { body: ['a'] },
      rename: { body: ['file:upload'] },
      replace: { body: ['b:$(query_params.q or "neu ü")', 'none:x'] },
      add: { body: ['b:no', 'new "one":v'] },
      append: { body: ['ignored:x'] },
    }
    expect(await multipart(raw, given)).toBe(
      `${file.replace('"file"', '"upload"')}${part('b', 'neu ü')}${part('new %22one%22', 'v')}--${BOUNDARY}--\r\n`,
    )
  })

  test('multipart bodies that are not well-formed, or that nothing changes in, pass as they are', async () => {
    const raw = { remove: { body: ['a'] }, add: { body: ['b:1'] } }
    for (const given of [
      '',
      'nonsense',
      part('a', '1'),
      `--${BOUNDARY}\r\nno empty line\r\n--${BOUNDARY}--`,
    ]) {
      expect(await multipart(raw, given)).toBe(given)
    }
    const given = `preamble\r\n${part('b', '2')}--${BOUNDARY}--\r\nepilogue`
    expect(await multipart({ add: { body: ['b:1'] } }, given)).toBe(given)
  })

  test('a value that holds the delimiter is refused: it would become another part', async () => {
    const evil = encodeURIComponent(
      `x\r\n--${BOUNDARY}\r\nContent-Disposition: form-data; name="role"\r\n\r\nadmin`,
    )
    const sent = run(
      { add: { body: ['q:$(query_params.q)'] } },
      {
        method: 'POST',
        target: `/?q=${evil}`,
        headers: MULTIPART,
        body: `${part('a', '1')}--${BOUNDARY}--\r\n`,
      },
    )
    await expect(sent).rejects.toMatchObject({ code: 'bad_request' })
  })
})

describe('kong.md §3.13 replace.uri', () => {
  const captures = (named: Record<string, string>, ...numbered: string[]) => ({
    uriCaptures: { named, numbered: ['whole', ...numbered] },
  })
  const uri = async (template: string, given: ExchangeGiven = {}, context: ContextGiven = {}) =>
    (await run({ replace: { uri: template } }, given, context)).uri

  test('the whole upstream path, from captures too; the query stays', async () => {
    expect(await uri('/fixed', { target: '/old?a=1' })).toBe('/fixed?a=1')
    expect(
      await uri('/users/$(uri_captures.id)/$(uri_captures[1])', captures({ id: '4 2' }, 'ü')),
    ).toBe('/users/4%202/%C3%BC')
    expect(await uri('no-slash')).toBe('/no-slash')
    expect(await uri('/a?own=1', { target: '/?b=2' })).toBe('/a?own=1&b=2')
    expect(await uri('/a?own=1')).toBe('/a?own=1')
  })

  test('what came from the request begins no arguments, no fragment and no escape', async () => {
    const given = { target: `/?q=${encodeURIComponent('x?admin=1#f%zz')}` }
    expect(await uri('/a/$(query_params.q)', given)).toBe(
      `/a/x%3Fadmin=1%23f%25zz${given.target.slice(1)}`,
    )
  })

  test('S06 what came from the request does not climb out of the path', async () => {
    for (const q of ['../admin', '..', '%2e%2e/admin', 'a/../../b', '..\\admin', 'a%2fb']) {
      const { reply } = await run(
        { replace: { uri: '/public/$(query_params.q)' } },
        { target: `/?q=${encodeURIComponent(q)}` },
      )
      expect([q, reply?.status]).toEqual([q, 400])
    }
    expect(await uri('/public/../x')).toBe('/public/../x')
    const climbing = { target: '/?q=..%2Fadmin' }
    expect(await uri('/public/$(query_params.q)', climbing, { compatibility: 'kong' })).toBe(
      '/public/../admin?q=..%2Fadmin',
    )
  })
})

describe('kong.md §3.13 templates see the request as it came to the plugin', () => {
  test('headers in any case, with _ for -, what other plugins added, and the host', async () => {
    const { headers } = await run(
      {
        remove: { headers: ['X-Old'] },
        replace: { headers: ['Host:$(headers.x_old).test'] },
        add: {
          headers: [
            'X-1:$(headers.X_Old)',
            'X-2:$(headers["x-old"])',
            'X-3:$(headers.host)',
            'X-4:$(headers.x_1 or "unset")',
          ],
        },
      },
      { headers: { 'X-Old': ['value', 'second'] } },
    )
    expect(headers).toEqual({
      host: 'value.test',
      'x-1': 'value',
      'x-2': 'value',
      'x-3': 'gateway.test',
      'x-4': 'unset',
    })
  })

  test('arguments before they are edited, captures by name and number', async () => {
    const { uri, headers } = await run(
      {
        remove: { querystring: ['a'] },
        add: {
          querystring: ['b:$(query_params.a)', 'c:$(query_params.flag)'],
          headers: [
            'X-C:$(uri_captures.n)$(uri_captures[1])$(uri_captures[9])$(uri_captures.toString)',
          ],
        },
      },
      {
        target: '/?a=1&a=2&flag',
        uriCaptures: { named: { n: 'named' }, numbered: ['all', '-one'] },
      },
    )
    expect([uri, headers['x-c']]).toEqual(['/?flag&b=1&c=true', 'named-one'])
  })
})

test('without a body to edit it answers synchronously', () => {
  const config = parseConfig(requestTransformer, { add: { headers: ['X-A:1'], body: ['a:1'] } })
  const plugin = requestTransformer.create(config, givenContext())
  expect(plugin.access?.(givenExchange())).toBeUndefined()
})
