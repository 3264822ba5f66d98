import { describe, expect, test } from 'vitest'

import { accept, parse, refuse } from './testing/parse.ts'

const service = 'services: [{name: s, host: h}]'

describe('kong.md §1.1 the text', () => {
  test('YAML 1.1: booleans in words, octals, sexagesimals, null', () => {
    const { services, routes } = accept(`
services:
- {name: s, host: h, enabled: off, retries: 010, connect_timeout: 1:40, path: ~}
routes:
- {name: r, service: s, paths: [/x], strip_path: No, preserve_host: YES, tags: null}
`)
    expect(services[0]).toMatchObject({
      enabled: false,
      retries: 8,
      connectTimeoutMs: 100,
      path: undefined,
    })
    expect(routes[0]).toMatchObject({ stripPath: false, preserveHost: true, tags: [] })
  })

  test('words that only newer or older dialects know stay text', () => {
    const { consumers } = accept(
      'consumers: [{username: y}, {username: n}, {username: 2026-01-02}]',
    )
    expect(consumers.map(({ username }) => username)).toEqual(['y', 'n', '2026-01-02'])
  })

  test('anchors, aliases and merge keys', () => {
    const { services } = accept(`
_ignore:
- &base {host: h, retries: 2}
services:
- <<: *base
  name: one
- <<: [{retries: 9}, *base]
  name: two
  host: other
`)
    expect(services).toMatchObject([
      { name: 'one', host: 'h', retries: 2 },
      { name: 'two', host: 'other', retries: 9 },
    ])
  })

  test('only the first document is read', () => {
    expect(accept(`${service}\n---\nnonsense: [`).services).toHaveLength(1)
  })

  test('an unquoted version is refused with the way to write it', () => {
    const parsed = parse('_format_version: 3.0\n')
    expect(parsed).toMatchObject({
      ok: false,
      problems: [
        {
          path: '_format_version',
          message: 'expected a string',
          hint: 'write it in quotes: "3.0"',
          line: 1,
          column: 18,
        },
      ],
    })
  })

  test('the root must be a mapping', () => {
    for (const text of ['', '- a', 'text', '[1]', '42'])
      expect(parse(text)).toMatchObject({
        ok: false,
        problems: [{ message: 'failed parsing declarative configuration: expected an object' }],
      })
  })

  test('JSON: a file must be JSON, a string may be either', () => {
    const json = '{"_format_version": "3.0", "services": [{"name": "s", "host": "h"}]}'
    expect(parse(json, {}, 'json')).toMatchObject({ ok: true })
    expect(parse(json)).toMatchObject({ ok: true })
    expect(parse(`\ufeff${json}`, {}, 'json')).toMatchObject({ ok: true })
    expect(parse(`_format_version: "3.0"\n${service}`, {}, 'json')).toMatchObject({
      ok: false,
      problems: [{ code: 'syntax', message: 'expected a value in JSON', line: 1, column: 1 }],
    })
    expect(parse('{"_format_version": "3.0",\n "services": [],}', {}, 'json')).toMatchObject({
      problems: [
        { message: 'expected a field name in double quotes in JSON', line: 2, column: 17 },
      ],
    })
    expect(parse('{"a": 1 "b": "hunter2"}', {}, 'json')).toMatchObject({
      problems: [{ message: "expected ',' or '}' in JSON", column: 9 }],
    })
  })

  test('positions in JSON with tabs are those of the text', () => {
    expect(
      parse('{\n\t"_format_version": "3.0",\n\t"services": [{"hots": "x"}]\n}', {}, 'json'),
    ).toMatchObject({
      problems: [{ path: 'services[0].host' }, { path: 'services[0].hots', line: 3, column: 16 }],
    })
  })

  test('Windows line ends and a byte order mark change nothing', () => {
    expect(parse(`\ufeff_format_version: "3.0"\r\n${service}\r\n`)).toMatchObject({ ok: true })
  })

  test('F55 a syntax error says where and what', () => {
    expect(parse('_format_version: "3.0"\nservices:\n  - name: [a\n')).toMatchObject({
      ok: false,
      problems: [{ code: 'syntax', file: 'kong.yml', line: expect.any(Number) }],
    })
  })

  test('a field given twice is refused where Kong would take the last', () => {
    expect(refuse('services:\n- {name: a, host: x, host: y}\n')).toEqual([
      ": the field 'host' is already given above",
    ])
  })
})

describe('kong.md §1.2 the root', () => {
  test('_comment, _ignore and _transform are known, also inside entities', () => {
    expect(
      accept(`
_transform: false
_comment: about all
_ignore: [1, {a: b}]
services: [{name: s, host: h, _comment: why, _ignore: [x]}]
`).services,
    ).toHaveLength(1)
    expect(refuse('_transform: "yes"')).toEqual(['_transform: expected a boolean'])
  })

  test('unknown keys get a suggestion, decK’s and Enterprise’s an explanation', () => {
    const parsed = parse(
      '_format_version: "3.0"\nserivces: []\n_konnect: {}\nconsumer_groups: []\nzzz: 1\n',
    )
    expect(parsed).toMatchObject({
      ok: false,
      problems: [
        { path: 'serivces', message: 'unknown field', hint: "did you mean 'services'?" },
        { path: '_konnect', hint: expect.stringContaining('decK') },
        { path: 'consumer_groups', hint: expect.stringContaining('Enterprise') },
        { path: 'zzz', message: 'unknown field' },
      ],
    })
  })

  test('an empty collection may be written as nothing', () => {
    expect(accept('services:\nroutes: ~\n').services).toEqual([])
    expect(refuse('services: {name: s}')).toEqual(['services: expected an array'])
    expect(refuse('services: [~, text]')).toEqual([
      'services[0]: required field missing',
      'services[1]: expected a record',
    ])
  })

  test('formats 1.1 and 2.1: paths become patterns by their looks', () => {
    for (const version of ['1.1', '2.1']) {
      const parsed = parse(`_format_version: "${version}"
services:
- {name: s, host: h, routes: [{name: a, paths: ["/x/%61/../b"]}]}
routes:
- {name: b, service: s, paths: ['/v\\d+', /plain]}
`)
      expect(parsed).toMatchObject({
        ok: true,
        entities: { routes: [{ paths: ['/x/b'] }, { paths: ['~/v\\d+', '/plain'] }] },
      })
    }
    expect(parse('_format_version: "0.1"\n')).toMatchObject({
      problems: [{ message: 'expected one of: 1.1, 2.1, 3.0' }],
    })
    expect(parse('services: []\n')).toMatchObject({
      problems: [{ path: '_format_version', message: 'required field missing' }],
    })
  })

  test('entities of Kong’s plugins that nothing here uses still load', () => {
    accept(`
consumers:
- username: u
  oauth2_credentials: [{name: app, client_id: x, redirect_uris: ["https://a"]}]
  hmacauth_credentials: [{username: h, secret: s}]
  jwt_secrets: [{key: k, secret: s}]
sessions: [{session_id: a, expires: 1}]
acme_storage: [{key: k, value: v}]
parameters: [{key: created, value: x}]
workspaces: [{name: default}]
key_sets: [{name: ks, keys: [{kid: "1", jwk: "{}"}]}]
ratelimiting_metrics: []
`)
  })

  test('models are not there yet, and say so', () => {
    expect(refuse('models: [{name: gpt}]')).toEqual([
      'models: models are not available in this version',
    ])
  })

  test('compatibility in the file wins over the node’s', () => {
    expect(accept('compatibility: pratu', { compatibility: 'kong' }).compatibility).toBe('pratu')
    expect(accept('', { compatibility: 'kong' }).compatibility).toBe('kong')
    expect(refuse('compatibility: nginx')).toEqual(['compatibility: expected one of: pratu, kong'])
  })
})
