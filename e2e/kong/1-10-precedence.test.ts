import { describe, expect, test } from 'vitest'
import { ask, at, configure, shareKong } from './support.ts'

const { upstream, given } = await shareKong()

/** From the most specific to the least, in Kong's order. */
const SCOPES = [
  ['route, service and consumer', { route: 'r', service: 's', consumer: 'ann' }],
  ['route and consumer', { route: 'r', consumer: 'ann' }],
  ['service and consumer', { service: 's', consumer: 'ann' }],
  ['route and service', { route: 'r', service: 's' }],
  ['consumer', { consumer: 'ann' }],
  ['route', { route: 'r' }],
  ['service', { service: 's' }],
  ['global', {}],
] as const

const configurationWith = (plugins: readonly object[]) => ({
  services: [
    {
      name: 's',
      url: upstream.url,
      routes: [
        { name: 'r', paths: ['/r'] },
        { name: 'q', paths: ['/q'] },
      ],
    },
  ],
  consumers: [
    { username: 'ann', keyauth_credentials: [{ key: 'ann-key' }] },
    { username: 'bob', keyauth_credentials: [{ key: 'bob-key' }] },
  ],
  plugins: [{ name: 'key-auth' }, ...plugins],
})

const termination = (message: string, scope: object, enabled = true) => ({
  name: 'request-termination',
  ...scope,
  enabled,
  config: { status_code: 418, message },
})

async function messageFor(path: string, apikey: string): Promise<unknown> {
  const { text } = await ask(given.port, { path, headers: { apikey } })
  return text === 'ok' ? 'ok' : at(JSON.parse(text), 'message')
}

describe('kong.md §1.10 per name only the most specific instance runs', () => {
  test.each(SCOPES.map(([name], level) => [name, level] as const))(
    '%s wins over everything below it',
    async (name, level) => {
      const plugins = SCOPES.slice(level).map(([message, scope]) => termination(message, scope))
      await configure(given, configurationWith(plugins))
      expect(await messageFor('/r', 'ann-key')).toBe(name)
    },
  )

  test.each(SCOPES.slice(0, -1).map(([name], level) => [name, level] as const))(
    '%s switched off counts as absent: the next one applies',
    async (_name, level) => {
      const plugins = SCOPES.slice(level).map(([message, scope], index) =>
        termination(message, scope, index > 0),
      )
      await configure(given, configurationWith(plugins))
      expect(await messageFor('/r', 'ann-key')).toBe(SCOPES[level + 1]?.[0])
    },
  )

  test('another route, another consumer: what is not for them does not apply', async () => {
    await configure(
      given,
      configurationWith(SCOPES.slice(0, 7).map(([message, scope]) => termination(message, scope))),
    )
    expect(await messageFor('/q', 'ann-key')).toBe('service and consumer')
    expect(await messageFor('/r', 'bob-key')).toBe('route and service')
    expect(await messageFor('/q', 'bob-key')).toBe('service')
  })

  test('configurations are not merged', async () => {
    await configure(
      given,
      configurationWith([
        { name: 'rate-limiting', config: { hour: 100, hide_client_headers: true } },
        { name: 'rate-limiting', route: 'r', config: { year: 7 } },
      ]),
    )
    const { headers } = await ask(given.port, { path: '/r', headers: { apikey: 'ann-key' } })
    expect(headers.get('x-ratelimit-limit-year')).toBe('7')
    expect(headers.has('x-ratelimit-limit-hour')).toBe(false)
  })
})

describe('kong.md §1.10 the consumer is known from authentication on', () => {
  test('a plugin below it is chosen by the consumer, one above it is not', async () => {
    await configure(
      given,
      configurationWith([
        // 100001, above key-auth
        { name: 'correlation-id', consumer: 'ann', config: { header_name: 'X-Of-Ann' } },
        { name: 'correlation-id', config: { header_name: 'X-Of-All' } },
        // 990, below it
        { name: 'ip-restriction', consumer: 'ann', config: { deny: ['127.0.0.1'] } },
        { name: 'ip-restriction', config: { allow: ['127.0.0.1'] } },
      ]),
    )
    expect((await ask(given.port, { path: '/r', headers: { apikey: 'bob-key' } })).status).toBe(200)
    expect(upstream.last.headers.has('x-of-all')).toBe(true)
    const ann = await ask(given.port, { path: '/r', headers: { apikey: 'ann-key' } })
    expect(ann.status).toBe(403)
    expect(ann.text).toContain('IP address not allowed: 127.0.0.1')
  })

  test('the anonymous consumer’s plugins apply to callers without a key', async () => {
    await configure(given, {
      ...configurationWith([termination('for ann', { consumer: 'ann' })]),
      plugins: [
        { name: 'key-auth', config: { anonymous: 'ann' } },
        termination('for ann', { consumer: 'ann' }),
      ],
    })
    expect(await messageFor('/r', 'wrong')).toBe('for ann')
    expect(await messageFor('/r', 'bob-key')).toBe('ok')
  })

  test('protocols of a plugin do not filter HTTP requests', async () => {
    await configure(
      given,
      configurationWith([{ ...termination('https only', {}), protocols: ['https'] }]),
    )
    expect(await messageFor('/r', 'bob-key')).toBe('https only')
  })
})
