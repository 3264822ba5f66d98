import { readFileSync } from 'node:fs'
import { definePlugin } from '@pratu/plugin-kit'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import {
  adviseOn,
  type Diagnostic,
  field,
  parseConfiguration,
  readNodeSettings,
  renderDiagnostics,
} from '../index.ts'
import { ADVISERS } from './advise-on.ts'

const plugins = [
  'acl',
  'basic-auth',
  'ip-restriction',
  'key-auth',
  'proxy-cache',
  'rate-limiting',
  'request-size-limiting',
  'request-termination',
  'request-transformer',
].map((name) =>
  definePlugin({ name, priority: 1, schema: field.openRecord({}), create: () => ({}) }),
)

const host = {
  hostname: 'pod-1',
  cpus: 1,
  memoryLimitBytes: undefined,
  namespace: undefined,
  readText: () => '',
}

type Environment = Readonly<Record<string, string>>

function advise(text: string, environment: Environment = {}): readonly Diagnostic[] {
  const parsed = parseConfiguration(
    [{ name: 'kong.yml', text: `_format_version: "3.0"\n${text}` }],
    {
      plugins,
      enabledPlugins: 'bundled',
      environment: { SECRET: 's3cret-value', ...environment },
      compatibility: environment['PRATU_COMPATIBILITY'] === 'kong' ? 'kong' : 'pratu',
    },
  )
  if (!parsed.ok) throw new Error(renderDiagnostics(parsed.problems, { colour: false }))
  const { settings } = readNodeSettings({}, environment, host)
  const advice = adviseOn(parsed.entities, settings, parsed.written)
  for (const { code, fix } of advice) {
    expect(ADVISERS).toHaveProperty(code)
    if (fix !== undefined) expect(() => parse(fix)).not.toThrow()
  }
  return advice
}

function only(code: string, text: string, environment?: Environment): Diagnostic {
  const found = all(code, text, environment)
  expect(found).toHaveLength(1)
  const [first] = found
  if (first === undefined) throw new Error(`no advice ${code}`)
  return first
}

function all(code: string, text: string, environment?: Environment): readonly Diagnostic[] {
  return advise(text, environment).filter((one) => one.code === code)
}

const AI_SERVICE = `services:
- name: ai
  url: https://api.example.com/v1/chat/completions
  read_timeout: 600000
`
const CHAT_ROUTE = `  routes:
  - name: chat
    paths: [/v1/chat/completions]
`
const CONSUMER = `consumers:
- username: alice
  keyauth_credentials:
  - key: $(SECRET)
`
const KEY_AUTH = `plugins:
- name: key-auth
`
const PROVIDER = `providers:
- name: example
  kind: openai-compatible
  api_key: $(SECRET)
`

function withPlugin(name: string, config: string): string {
  return `${AI_SERVICE}${CHAT_ROUTE}  plugins:\n  - name: ${name}\n    config: {${config}}\n`
}

test('a configuration that means what it says gets no advice', () => {
  expect(
    advise(
      `${AI_SERVICE}  provider: example\n${CHAT_ROUTE}  plugins:
  - name: proxy-cache
    config: {request_method: [POST]}
  - name: rate-limiting
    config: {minute: 100, policy: redis, redis: {host: 127.0.0.1, password: $(SECRET)}}
${CONSUMER}${KEY_AUTH}${PROVIDER}`,
      { PRATU_TRUSTED_IPS: '10.0.0.0/8', KONG_PLUGINS: 'key-auth,proxy-cache,rate-limiting' },
    ).map(({ code }) => code),
  ).toEqual(['shared-redis'])
  expect(advise('services: []\n')).toEqual([])
})

describe('open-route', () => {
  test('a route is open although a consumer has a key', () => {
    const found = only('open-route', `${AI_SERVICE}${CHAT_ROUTE}${CONSUMER}`, {
      KONG_PLUGINS: 'key-auth',
    })
    expect(found).toMatchObject({ severity: 'warning', file: 'kong.yml', line: 7 })
    expect(found.message).toBe(
      "anybody can call route 'chat': 'alice' has credentials, but nothing asks for them",
    )
    expect(found.hint).toContain('naming key-auth in KONG_PLUGINS only loads it')
    expect(found.hint).toContain('401')
  })

  test('the fix brings the provider lines that keep the service working', () => {
    const { fix = '' } = only('open-route', `${AI_SERVICE}${CHAT_ROUTE}${CONSUMER}`)
    expect(parse(fix)).toEqual({
      plugins: [{ name: 'key-auth' }],
      providers: [
        {
          name: 'ai',
          kind: 'openai-compatible',
          base_url: 'https://api.example.com/v1',
          api_key: '$(AI_API_KEY)',
        },
      ],
      services: [{ name: 'ai', provider: 'ai' }],
    })
  })

  test('the fixed file loads, and the advice is gone', () => {
    const fixed = `${AI_SERVICE}  provider: ai\n${CHAT_ROUTE}${CONSUMER}${KEY_AUTH}providers:
- name: ai
  kind: openai-compatible
  base_url: https://api.example.com/v1
  api_key: $(AI_API_KEY)
`
    expect(advise(fixed, { AI_API_KEY: 'provider-key' })).toEqual([])
  })

  test('where other routes are guarded the fix is for the open ones', () => {
    const { fix = '', message } = only(
      'open-route',
      `${AI_SERVICE}${CHAT_ROUTE}    plugins:\n    - name: key-auth\n  - name: other\n    paths: [/other]\n${CONSUMER}`,
    )
    expect(message).toContain("route 'other'")
    expect(parse(fix)).toMatchObject({
      routes: [{ name: 'other', plugins: [{ name: 'key-auth' }] }],
    })
  })

  test('key-auth for a consumer or switched off guards nothing', () => {
    const off = `${AI_SERVICE}${CHAT_ROUTE}${CONSUMER}plugins:\n- name: key-auth\n  enabled: false\n`
    expect(all('open-route', off)).toHaveLength(1)
  })

  test('other authentication, or an answer without upstream, is no open route', () => {
    for (const name of ['basic-auth', 'request-termination']) {
      const text = `${AI_SERVICE}${CHAT_ROUTE}${CONSUMER}plugins:\n- name: ${name}\n`
      expect(all('open-route', text)).toEqual([])
    }
  })

  test('without credentials an open gateway is meant', () => {
    expect(all('open-route', `${AI_SERVICE}${CHAT_ROUTE}`)).toEqual([])
  })

  test('routes of a disabled service are not reachable', () => {
    expect(all('open-route', `${AI_SERVICE}  enabled: false\n${CHAT_ROUTE}${CONSUMER}`)).toEqual([])
  })

  test('many open routes are told once', () => {
    const routes = Array.from({ length: 6 }, (_, i) => `  - name: r${i}\n    paths: [/r${i}]\n`)
    const { message } = only('open-route', `${AI_SERVICE}  routes:\n${routes.join('')}${CONSUMER}`)
    expect(message).toContain("'r0', 'r1', 'r2' and 3 more")
  })
})

describe('provider-key', () => {
  test("one key is the caller's and the provider's", () => {
    const found = only('provider-key', `${AI_SERVICE}${CHAT_ROUTE}${CONSUMER}${KEY_AUTH}`)
    expect(found).toMatchObject({ severity: 'advice' })
    expect(found.message).toContain("one key is both your consumer's and your provider's")
    expect(parse(found.fix ?? '')).toMatchObject({ services: [{ name: 'ai', provider: 'ai' }] })
  })

  test("taking the caller's key away leaves the provider without any", () => {
    const text = `${AI_SERVICE}${CHAT_ROUTE}${CONSUMER}plugins:\n- name: key-auth\n  config: {hide_credentials: true}\n`
    const found = only('provider-key', text)
    expect(found.severity).toBe('warning')
    expect(found.message).toContain('401')
  })

  test('a service with a provider, or a header with a key, needs nothing', () => {
    const provided = `${AI_SERVICE}  provider: example\n${CHAT_ROUTE}${CONSUMER}${PROVIDER}`
    expect(all('provider-key', provided)).toEqual([])
    const transformed = `${withPlugin('request-transformer', 'replace: {headers: ["Authorization:Bearer $(SECRET)"]}')}${CONSUMER}`
    expect(all('provider-key', transformed)).toEqual([])
  })

  test.each([
    ['https://api.openai.com/v1/chat/completions', 'openai', 'https://api.openai.com/v1'],
    ['https://api.anthropic.com/v1/messages', 'anthropic', 'https://api.anthropic.com/v1'],
    ['http://10.0.0.1:8000/v1/messages', 'anthropic', 'http://10.0.0.1:8000/v1'],
    ['http://vllm:8000/v1/embeddings', 'openai-compatible', 'http://vllm:8000/v1'],
  ])('%s is of kind %s', (url, kind, baseUrl) => {
    const text = `services:\n- name: my ai\n  url: ${url}\n`.replace('my ai', 'my-ai')
    const { fix = '' } = only('provider-key', `${text}${CHAT_ROUTE}${CONSUMER}`)
    expect(parse(fix)).toMatchObject({
      providers: [{ kind, base_url: baseUrl, api_key: '$(MY_AI_API_KEY)' }],
    })
  })
})

describe('cache-never-hits', () => {
  test('a cache for GET never sees a request to a model', () => {
    const found = only('cache-never-hits', withPlugin('proxy-cache', 'request_method: [GET]'))
    expect(found).toMatchObject({
      severity: 'warning',
      path: expect.stringContaining('request_method'),
    })
    expect(found.message).toContain('requests to a model are POST')
    expect(found.hint).toContain("one prompt with another's completion")
    expect(found.hint).toContain('content_type')
    expect(parse(found.fix ?? '')).toEqual([
      { name: 'proxy-cache', config: { request_method: ['GET', 'POST'] } },
    ])
  })

  test('the methods that are the default count as well', () => {
    expect(all('cache-never-hits', withPlugin('proxy-cache', ''))).toHaveLength(1)
    expect(
      all('cache-never-hits', `${AI_SERVICE}${CHAT_ROUTE}plugins:\n- name: proxy-cache\n`),
    ).toHaveLength(1)
  })

  test('a type or status that no answer of a model has is named', () => {
    const config = 'request_method: [POST], content_type: [text/html], response_code: [301]'
    const { message } = only('cache-never-hits', withPlugin('proxy-cache', config))
    expect(message).toContain('application/json')
    expect(message).toContain('status 200')
  })

  test('a charset makes no difference, and plain services are left alone', () => {
    const config = 'request_method: [POST], content_type: ["application/json; charset=utf-8"]'
    expect(all('cache-never-hits', withPlugin('proxy-cache', config))).toEqual([])
    const plain = withPlugin('proxy-cache', '').replace('/v1/chat/completions\n', '/status\n')
    expect(all('cache-never-hits', plain)).toEqual([])
  })

  test('under compatibility: kong POST is not proposed', () => {
    const found = only('cache-never-hits', withPlugin('proxy-cache', ''), {
      PRATU_COMPATIBILITY: 'kong',
    })
    expect(found.fix).toBeUndefined()
    expect(found.hint).toContain('Remove `compatibility: kong`')
  })
})

test('cache-mixes-prompts: POST with a key that ignores the body', () => {
  const text = withPlugin('proxy-cache', 'request_method: [POST]')
  expect(only('cache-mixes-prompts', text, { PRATU_COMPATIBILITY: 'kong' }).severity).toBe(
    'warning',
  )
  expect(all('cache-mixes-prompts', text)).toEqual([])
})

describe('doubled-path', () => {
  const doubled = `${AI_SERVICE}  routes:\n  - name: chat\n    paths: [/v1/chat]\n    strip_path: false\n`

  test('Pratu mends it, Kong would not', () => {
    const found = only('doubled-path', doubled)
    expect(found).toMatchObject({ severity: 'advice', line: 9 })
    expect(found.hint).toContain('Kong would call /v1/chat/completions/v1/chat/completions')
    expect(parse(found.fix ?? '')).toEqual({
      routes: [{ name: 'chat', paths: ['/v1/chat/completions'], strip_path: true }],
    })
  })

  test('under compatibility: kong it is a warning', () => {
    const found = only('doubled-path', doubled, { PRATU_COMPATIBILITY: 'kong' })
    expect(found.severity).toBe('warning')
    expect(found.hint).toContain('/v1/chat/completions/v1/chat/completions')
  })

  test('a plain service is doubled everywhere; its URL is shortened', () => {
    const text = `services:\n- name: plain\n  url: http://10.0.0.1/v1\n  routes:\n  - name: r\n    paths: [/v1/items]\n    strip_path: false\n`
    const found = only('doubled-path', text)
    expect(found.severity).toBe('warning')
    expect(found.hint).toContain('/v1/v1/items')
    expect(parse(found.fix ?? '')).toEqual({
      services: [{ name: 'plain', url: 'http://10.0.0.1' }],
    })
  })

  test.each([
    ['strip_path: true', '/v1/chat', '/v1/chat/completions'],
    ['strip_path: false', '/v1/ch', '/v1/chat/completions'],
    ['strip_path: false', '/', '/v1/chat/completions'],
    ['strip_path: false', '~/v1/chat', '/v1/chat/completions'],
    ['strip_path: false', '/v1/chat', ''],
  ])('nothing is doubled with %s, route %s, service path %s', (strip, path, own) => {
    const text = `services:\n- name: s\n  url: http://10.0.0.1${own}\n  routes:\n  - name: r\n    paths: ['${path}']\n    ${strip}\n`
    expect(all('doubled-path', text)).toEqual([])
  })
})

describe('local-limit', () => {
  test('three replicas let three times as much through', () => {
    const found = only('local-limit', withPlugin('rate-limiting', 'minute: 100, policy: local'))
    expect(found.message).toContain("on service 'ai'")
    expect(found.hint).toContain('with 3 replicas minute: 100 lets 300 through')
    expect(parse(found.fix ?? '')).toMatchObject([{ config: { minute: 100, policy: 'redis' } }])
  })

  test('the default policy is local, a shared one is not', () => {
    expect(all('local-limit', withPlugin('rate-limiting', 'hour: 5'))).toHaveLength(1)
    const shared = 'hour: 5, policy: redis, redis: {host: r}'
    expect(all('local-limit', withPlugin('rate-limiting', shared))).toEqual([])
  })

  test('many are told once', () => {
    const two = `${withPlugin('rate-limiting', 'hour: 5')}plugins:\n- name: rate-limiting\n  config: {hour: 9}\n`
    expect(only('local-limit', two).message).toContain('and so do 1 more')
  })
})

describe('shared-redis', () => {
  const limiter = 'minute: 1, policy: redis, redis_host: r, redis_port: 6379'

  test('counters in Redis: what to look at', () => {
    const found = only('shared-redis', withPlugin('rate-limiting', limiter))
    expect(found).toMatchObject({ severity: 'advice' })
    expect(found.hint).toContain('CONFIG GET maxmemory-policy')
    expect(found.message).toContain('r:6379')
  })

  test('a cache in the same Redis is worse', () => {
    const text = `${withPlugin('rate-limiting', limiter)}plugins:\n- name: proxy-cache\n  config: {strategy: redis, redis: {host: r}}\n`
    expect(only('shared-redis', text)).toMatchObject({
      severity: 'warning',
      message: expect.stringContaining('which proxy-cache fills'),
    })
  })
})

describe('plaintext-secret', () => {
  test('a key in the file is told without being shown', () => {
    const found = only('plaintext-secret', CONSUMER.replace('$(SECRET)', 'hunter2-hunter2'))
    expect(JSON.stringify(found)).not.toContain('hunter2')
    expect(found.fix).toContain('key_sha256')
    expect(found).toMatchObject({ line: 5, path: 'consumers[0].keyauth_credentials[0].key' })
  })

  test('keys of one kind are told together', () => {
    const text = `${CONSUMER.replace('$(SECRET)', 'hunter2-hunter2')}  - key: hunter3-hunter3\n`
    expect(only('plaintext-secret', text).message).toContain("'key' and 1 more like it are")
  })

  test.each([
    ['providers:\n- name: openai\n  api_key: sk-abc\n', 'api_key: $(PROVIDER_API_KEY)'],
    ['providers:\n- name: openai\n  api_key: [sk-abc]\n', 'api_key: $(PROVIDER_API_KEY)'],
    [
      withPlugin('rate-limiting', 'minute: 1, policy: redis, redis: {host: r, password: pw}'),
      'password: $(REDIS_PASSWORD)',
    ],
    [
      withPlugin('rate-limiting', 'minute: 1, policy: redis, redis_host: r, redis_password: pw'),
      'redis_password: $(REDIS_PASSWORD)',
    ],
    [
      'consumers:\n- username: a\n  basicauth_credentials:\n  - {username: a, password: pw}\n',
      'password: $(BASICAUTH_PASSWORD)',
    ],
    [
      withPlugin('request-transformer', 'add: {headers: ["Authorization:Bearer sk-abcdefgh"]}'),
      'headers: $(ADD_HEADERS)',
    ],
  ])('%j: %s', (text, reference) => {
    expect(only('plaintext-secret', text).fix).toContain(reference)
  })

  test('references, hashes and what is no secret are left alone', () => {
    const text = `${AI_SERVICE}${CHAT_ROUTE}consumers:
- username: a
  keyauth_credentials:
  - key: "{vault://env/secret}"
  - key_sha256: ${'ab'.repeat(32)}
  jwt_secrets:
  - {key: issuer, secret: $(SECRET)}
plugins:
- name: key-auth
  config: {key_names: [apikey], hide_credentials: false}
_comment: "key: hunter2"
`
    expect(all('plaintext-secret', text)).toEqual([])
  })
})

describe('unused-consumer', () => {
  test('a consumer without credential', () => {
    const text = `${AI_SERVICE}${CHAT_ROUTE}consumers:\n- username: bob\n`
    expect(only('unused-consumer', text).message).toContain("'bob', who has no credential")
  })

  test('a credential that no route asks for', () => {
    const text = `${AI_SERVICE}${CHAT_ROUTE}${CONSUMER}plugins:\n- name: basic-auth\n`
    const found = only('unused-consumer', text)
    expect(found.message).toContain("consumer 'alice': no route asks for such credentials")
    expect(parse(found.fix ?? '')).toEqual({ plugins: [{ name: 'key-auth' }] })
  })

  test('the anonymous consumer needs no credential', () => {
    const text = `consumers:\n- username: guest\nplugins:\n- name: key-auth\n  config: {anonymous: guest}\n`
    expect(all('unused-consumer', text)).toEqual([])
  })

  test('open routes are told as such, not once more here', () => {
    expect(all('unused-consumer', `${AI_SERVICE}${CHAT_ROUTE}${CONSUMER}`)).toEqual([])
  })
})

describe('read-timeout', () => {
  test('shorter than clients wait', () => {
    const text = `${AI_SERVICE}${CHAT_ROUTE}`.replace('600000', '30000')
    const found = only('read-timeout', text)
    expect(found).toMatchObject({ severity: 'warning', line: 5 })
    expect(found.message).toContain('gives up after 30 s')
    expect(parse(found.fix ?? '')).toEqual({ services: [{ name: 'ai', read_timeout: 600_000 }] })
  })

  test('left to the default: Kong and Pratu differ', () => {
    const text = `${AI_SERVICE}${CHAT_ROUTE}`.replace('  read_timeout: 600000\n', '')
    expect(only('read-timeout', text)).toMatchObject({
      severity: 'advice',
      hint: expect.stringContaining('Kong would give up after 60 s'),
    })
    const kong = only('read-timeout', text, { PRATU_COMPATIBILITY: 'kong' })
    expect(kong).toMatchObject({
      severity: 'warning',
      message: expect.stringContaining("60 s without a byte from the model (Kong's default)"),
    })
  })

  test("plain services are nobody's business", () => {
    const text = `services:\n- name: s\n  url: http://10.0.0.1\n  read_timeout: 1000\n${CHAT_ROUTE}`
    expect(all('read-timeout', text)).toEqual([])
  })
})

describe('body-limit', () => {
  test('the node takes less than an ingress lets through', () => {
    const found = only('body-limit', `${AI_SERVICE}${CHAT_ROUTE}`, {
      PRATU_MAX_AI_BODY_SIZE: '8m',
    })
    expect(found).toMatchObject({ file: 'PRATU_MAX_AI_BODY_SIZE', line: 0 })
    expect(found.message).toContain('more than 8 MiB are answered 413')
    expect(all('body-limit', '', { PRATU_MAX_AI_BODY_SIZE: '8m' })).toEqual([])
  })

  test('so does a plugin', () => {
    const text = withPlugin(
      'request-size-limiting',
      'allowed_payload_size: 512, size_unit: kilobytes',
    )
    expect(only('body-limit', text).message).toContain('more than 524288 bytes')
    const wide = withPlugin('request-size-limiting', 'allowed_payload_size: 128')
    expect(all('body-limit', wide)).toEqual([])
  })
})

describe('client-address', () => {
  test('a limit by address counts the ingress', () => {
    const text = withPlugin('rate-limiting', 'minute: 1, limit_by: ip')
    const found = only('client-address', text)
    expect(found.message).toContain('all clients share one limit')
    expect(parse(found.fix ?? '')).toHaveProperty('env')
    expect(all('client-address', text, { PRATU_TRUSTED_IPS: '10.0.0.0/8' })).toEqual([])
  })

  test('so does a limit by consumer where nobody is known', () => {
    const text = withPlugin('rate-limiting', 'minute: 1')
    expect(all('client-address', text)).toHaveLength(1)
    expect(all('client-address', `${text}${KEY_AUTH}`)).toEqual([])
  })

  test('rules about addresses judge the ingress; limits by header do not care', () => {
    expect(
      only('client-address', withPlugin('ip-restriction', 'allow: [10.0.0.1]')).message,
    ).toContain('judges the address of the ingress')
    const byHeader = withPlugin('rate-limiting', 'minute: 1, limit_by: header, header_name: x')
    expect(all('client-address', byHeader)).toEqual([])
  })
})

test('unconfigured-plugin: loaded by name, running nowhere', () => {
  const found = only('unconfigured-plugin', KEY_AUTH, { KONG_PLUGINS: 'key-auth,correlation-id' })
  expect(found).toMatchObject({ file: 'KONG_PLUGINS', line: 0, severity: 'advice' })
  expect(found.message).toBe('correlation-id is loaded and runs nowhere')
  expect(all('unconfigured-plugin', '', { KONG_PLUGINS: 'bundled' })).toEqual([])
})

test('a thousand routes with the same mistakes are told once', () => {
  const routes = Array.from(
    { length: 1_000 },
    (_, i) =>
      `  - name: r${i}\n    paths: [/r${i}]\n    plugins:\n    - name: rate-limiting\n      config: {minute: 1}\n`,
  )
  const text = `${AI_SERVICE}  routes:\n${routes.join('')}${CONSUMER}`
  const advice = advise(text)
  expect(advice.map(({ code }) => code).toSorted()).toEqual([
    'client-address',
    'local-limit',
    'open-route',
    'provider-key',
  ])
})

test('the fix is shown line by line, indented', () => {
  const text = renderDiagnostics(
    [only('read-timeout', `${AI_SERVICE}${CHAT_ROUTE}`.replace('600000', '30000'))],
    {
      colour: false,
    },
  )
  expect(text).toContain('\n\n      services:\n      - name: ai\n        read_timeout: 600000')
})

test('docs/check.md has a section for each code and no other', () => {
  const page = readFileSync(new URL('../../../../../docs/check.md', import.meta.url), 'utf8')
  const sections = [...page.matchAll(/^## ([a-z-]+)$/gm)].map((match) => match[1] ?? '')
  expect(sections.toSorted()).toEqual(Object.keys(ADVISERS).toSorted())
})
