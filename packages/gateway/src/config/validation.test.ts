import { describe, expect, test } from 'vitest'

import { diagnosticsTree, parseConfiguration, renderDiagnostics } from './index.ts'
import { parse, refuse, testPlugins, warningsOf } from './testing/parse.ts'

function problemsOf(text: string) {
  const parsed = parse(text)
  if (parsed.ok) throw new Error('the configuration was accepted')
  return parsed.problems
}

const several = `_format_version: "3.0"
services:
- name: shop
  host: h
  protocol: htp
  routes:
  - name: checkout
    paths: [/x]
    hosts: ["*.*"]
    tags: [t1]
  - protocols: [http]
consumers:
- username: alice
  keyauth_credentials:
  - {key: hunter2hunter2, kye: 3}
plugins:
- name: rate-limiting
  config: {policy: lcoal, redis: {prot: 1}}
`

describe('kong.md §1.7 validation', () => {
  test('all problems of all entities come at once, in the order of the file', () => {
    expect(
      problemsOf(several).map(
        ({ path, message, line, column }) => `${line}:${column} ${path}: ${message}`,
      ),
    ).toEqual([
      '5:13 services[0].protocol: expected one of: grpc, grpcs, http, https, tcp, tls, tls_passthrough, udp',
      '9:13 services[0].routes[0].hosts[0]: invalid wildcard: only one wildcard must be specified',
      "11:5 services[0].routes[1]: must set one of 'methods', 'hosts', 'headers', 'paths' when 'protocols' is 'http'",
      '15:27 consumers[0].keyauth_credentials[0].kye: unknown field',
      "18:12 plugins[0].config: at least one of these fields must be non-empty: 'second', 'minute'",
      '18:20 plugins[0].config.policy: expected one of: local, redis',
      '18:35 plugins[0].config.redis.prot: unknown field',
    ])
  })

  test('hints say what to write instead', () => {
    expect(problemsOf(several).flatMap(({ hint }) => hint ?? [])).toEqual([
      "did you mean 'http'?",
      "did you mean 'key'?",
      "did you mean 'local'?",
      "did you mean 'port'?",
    ])
    expect(
      problemsOf(
        '_format_version: "3.0"\nservices:\n- {name: 5, host: h, port: "80", enabled: "no", tags: x}\n',
      ).map(({ hint }) => hint),
    ).toEqual([
      'quote it: "5"',
      'write it without quotes: 80',
      'write it without quotes: no',
      'write a list: [x]',
    ])
  })

  test('a missing plugin configuration is filled with defaults, then judged', () => {
    expect(refuse('plugins: [{name: rate-limiting}, {name: key-auth, config: ~}]')).toEqual([
      "plugins[0].config: at least one of these fields must be non-empty: 'second', 'minute'",
    ])
  })

  test('any Standard Schema library is heard', () => {
    expect(refuse('plugins: [{name: our-own, config: {level: 2}}]')).toEqual([
      'plugins[0].config.level: level must be 3',
    ])
    // A null member counts as absent, whatever the library thinks of null.
    expect(
      parse('_format_version: "3.0"\nplugins: [{name: our-own, config: {level: 3, other: ~}}]'),
    ).toMatchObject({
      ok: true,
      entities: { plugins: [{ config: { level: 3 } }] },
    })
  })

  test('equal configurations of a plugin are one object', () => {
    const parsed = parse(`_format_version: "3.0"
services:
- {name: a, host: h, plugins: [{name: rate-limiting, config: {minute: 5}}]}
- {name: b, host: h, plugins: [{name: rate-limiting, config: {minute: 5}}]}
`)
    if (!parsed.ok) throw new Error('refused')
    const [first, second] = parsed.entities.plugins
    expect(first?.config).toBe(second?.config)
    expect(Object.isFrozen(first?.config)).toBe(true)
  })
})

describe('kong.md §1.6 plugin entries', () => {
  test('unknown, unavailable and switched-off plugins are three different mistakes', () => {
    const options = { plugins: testPlugins, environment: {} }
    const text =
      '_format_version: "3.0"\nplugins: [{name: rate-limitng}, {name: oauth2}, {name: key-auth}, {name: our-own, config: {level: 3}}]\n'
    const parsed = parseConfiguration([{ name: 'k.yml', text }], {
      ...options,
      enabledPlugins: ['rate-limiting'],
    })
    expect(parsed.ok ? [] : parsed.problems).toMatchObject([
      {
        message:
          "plugin 'rate-limitng' not enabled; add it to the 'plugins' configuration property",
        hint: "did you mean 'rate-limiting'?",
      },
      { message: "the Kong plugin 'oauth2' is not available in this gateway" },
      {
        message: "plugin 'key-auth' not enabled; add it to the 'plugins' configuration property",
        hint: 'add key-auth to KONG_PLUGINS',
      },
    ])
  })

  test('KONG_PLUGINS: bundled may be mixed in, an unknown name is a warning', () => {
    expect(
      warningsOf('plugins: [{name: key-auth}]', {
        enabledPlugins: ['bundled', 'my-plugin', 'oauth2', 'our-own'],
      }),
    ).toEqual([
      ": there is no plugin 'my-plugin'",
      ": the Kong plugin 'oauth2' is not available in this gateway",
    ])
  })

  test('a plugin that refuses consumers says so', () => {
    expect(refuse('consumers: [{username: a, plugins: [{name: key-auth}]}]')).toEqual([
      'consumers[0].plugins[0].consumer: value must be null',
    ])
  })
})

describe('kong.md §1.8 rendering', () => {
  test('a diagnostic shows file, line, caret and hint', () => {
    const [first] = problemsOf(several)
    expect(renderDiagnostics(first === undefined ? [] : [first], { colour: false })).toBe(
      `error: services[0].protocol: expected one of: grpc, grpcs, http, https, tcp, tls, tls_passthrough, udp
 --> kong.yml:5:13
  |
5 |   protocol: htp
  |             ^^^
  = did you mean 'http'?`,
    )
    expect(renderDiagnostics(problemsOf(several), { colour: true })).toContain('\u001b[31m')
  })

  test('S12 secrets in the line are masked, and the caret stays in place', () => {
    const shown = renderDiagnostics(problemsOf(several), { colour: false })
    expect(shown).not.toContain('hunter2')
    expect(shown).toContain(`  - {key: [secret], kye: 3}
   |                     ^^^`)
  })

  test.each([
    ['a key of its own', 'consumers: [{username: a, keyauth_credentials: [{key: [hunter2]}]}]'],
    ['a list of keys', 'providers:\n- name: groq\n  api_key:\n  - hunter2\n  - 5\n'],
    [
      'a password beside the mistake',
      'plugins:\n- {name: rate-limiting, config: {redis: {password: hunter2, prot: 1}}}',
    ],
    [
      'a header',
      'plugins:\n- {name: request-transformer, config: {add: {headers: ["Authorization: Bearer hunter2", 5]}}}',
    ],
    ['a URL', 'services: [{url: "ftp://user:hunter2@h"}]'],
    ['a quoted key', '"services": [{"name": "s", "secret": "hunter2"}]'],
    [
      'a password of the wrong type',
      'plugins: [{name: rate-limiting, config: {minute: 1, redis: {password: [hunter2]}}}]',
    ],
  ])('S12 %s is never shown', (_what, body) => {
    const problems = problemsOf(`_format_version: "3.0"\n${body}\n`)
    expect(renderDiagnostics(problems, { colour: false })).not.toContain('hunter2')
    expect(JSON.stringify(problems)).not.toContain('hunter2')
    expect(JSON.stringify(diagnosticsTree(problems))).not.toContain('hunter2')
  })

  test('a file cannot write control sequences to the terminal', () => {
    const shown = renderDiagnostics(problemsOf('_format_version: "3.0"\n"\\e[31mx": 1\n'), {
      colour: false,
    })
    expect(shown).not.toContain('\u001b')
  })

  test('a long line is cut around the mistake', () => {
    const long = `services: [${'{name: a, host: h}, '.repeat(300)}{hots: x}]`
    const problem = problemsOf(`_format_version: "3.0"\n${long}\n`).find(
      ({ message }) => message === 'unknown field',
    )
    expect(problem?.excerpt?.text.length).toBeLessThanOrEqual(160)
    const { text = '', column = 0, length = 0 } = problem?.excerpt ?? {}
    expect(text.slice(column - 1, column - 1 + length)).toBe('hots')
  })

  test('kong.md §1.8 the tree counts from 1, with rules between fields under @entity', () => {
    const { fields } = diagnosticsTree(problemsOf(several))
    expect(fields).toMatchObject({
      services: {
        1: {
          protocol: expect.stringContaining('expected one of'),
          routes: {
            1: { hosts: { 1: expect.stringContaining('invalid wildcard') } },
            2: { '@entity': [expect.stringContaining('must set one of')] },
          },
        },
      },
      plugins: { 1: { config: { '@entity': [expect.any(String)], policy: expect.any(String) } } },
    })
  })

  test('kong.md §1.8 a dangling reference names its owner', () => {
    const { fields } = diagnosticsTree(
      problemsOf('_format_version: "3.0"\nroutes: [{name: r, service: x, paths: [/a]}]\n'),
    )
    expect(fields).toEqual({
      routes: { r: { service: "invalid reference 'service: x' (no such entry in 'services')" } },
    })
  })

  test('kong.md §4.4 flattened errors, one entry per entity, nested ones hoisted', () => {
    const { flattened_errors: flattened, unplaced } = diagnosticsTree(
      problemsOf(`${several}zzz: 1\n`),
    )
    expect(flattened).toMatchObject([
      {
        entity_type: 'service',
        entity_name: 'shop',
        errors: [{ type: 'field', field: 'protocol' }],
      },
      {
        entity_type: 'route',
        entity_name: 'checkout',
        entity_tags: ['t1'],
        entity: { name: 'checkout', paths: ['/x'] },
        errors: [{ type: 'field', field: 'hosts.1' }],
      },
      {
        entity_type: 'route',
        errors: [{ type: 'entity', message: expect.stringContaining('must set one of') }],
      },
      { entity_type: 'keyauth_credential', entity: { key: '[secret]', kye: 3 } },
      { entity_type: 'plugin', entity_name: 'rate-limiting' },
    ])
    expect(unplaced).toEqual({ zzz: 'unknown field' })
  })

  test('kong.md §4.4 an id, a name or tags that are wrong themselves identify nothing', () => {
    const { flattened_errors: flattened } = diagnosticsTree(
      problemsOf('services: [{host: h, id: x, name: a b, tags: ["a,b"]}]'),
    )
    const [only] = flattened
    expect(only?.errors).toHaveLength(3)
    expect(only).not.toHaveProperty('entity_id')
    expect(only).not.toHaveProperty('entity_name')
    expect(only).not.toHaveProperty('entity_tags')
  })
})
