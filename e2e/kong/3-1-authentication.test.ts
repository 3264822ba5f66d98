import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { GivenGateway } from '../gateway.ts'
import {
  ask,
  at,
  configure,
  givenKong,
  givenUpstream,
  type Answered,
  type GivenUpstream,
} from './support.ts'

let upstream: GivenUpstream
let given: GivenGateway

const ANN = '77777777-7777-4777-8777-777777777777'
const GUEST = '88888888-8888-4888-8888-888888888888'
const CREDENTIAL = '99999999-9999-4999-8999-999999999999'

beforeAll(async () => {
  upstream = await givenUpstream()
  given = await givenKong(
    {},
    { PRATU_PLUGIN_MODULES: fileURLToPath(new URL('traced-plugins.ts', import.meta.url)) },
  )
})
afterAll(async () => {
  await given[Symbol.asyncDispose]()
  await upstream[Symbol.asyncDispose]()
})

async function asked(
  plugins: readonly object[],
  headers: Readonly<Record<string, string>>,
): Promise<Answered> {
  const configured = await configure(given, {
    services: [{ url: upstream.url, routes: [{ paths: ['/'] }] }],
    consumers: [
      {
        id: ANN,
        username: 'ann',
        custom_id: 'ann-42',
        keyauth_credentials: [{ id: CREDENTIAL, key: 'ann-key' }],
      },
      { username: 'bob', keyauth_credentials: [{ key: 'bob-key' }] },
      { custom_id: 'nameless', keyauth_credentials: [{ key: 'nameless-key' }] },
      { id: GUEST, username: 'guest', custom_id: 'guest-0' },
    ],
    plugins,
  })
  if (configured.status !== 201) throw new Error(configured.text)
  return ask(given.port, { headers })
}

const FIELDS = [
  'x-consumer-id',
  'x-consumer-custom-id',
  'x-consumer-username',
  'x-credential-identifier',
  'x-anonymous-consumer',
] as const

/** What the upstream was told, field by field in the order of `FIELDS`. */
const told = (): (string | undefined)[] => FIELDS.map((name) => upstream.last.headers.get(name))

/** What a client would like to be. */
const CLAIMS = {
  'X-Consumer-ID': 'root',
  'X-Consumer-Custom-ID': 'root',
  'X-Consumer-Username': 'root',
  'X-Credential-Identifier': 'root',
  'X-Anonymous-Consumer': 'true',
}

const keyAuth = (config: object = {}) => ({ name: 'key-auth', config })
const nameAuth = (config: object = {}) => ({ name: 'name-auth', config })

describe('kong.md §3.1 what the upstream is told', () => {
  test('of a consumer with everything', async () => {
    await asked([keyAuth()], { apikey: 'ann-key' })
    expect(told()).toEqual([ANN, 'ann-42', 'ann', CREDENTIAL, undefined])
  })

  test('what the client claims is replaced, or removed where there is nothing', async () => {
    await asked([keyAuth()], { apikey: 'ann-key', ...CLAIMS })
    expect(told()).toEqual([ANN, 'ann-42', 'ann', CREDENTIAL, undefined])
    await asked([keyAuth()], { apikey: 'bob-key', ...CLAIMS })
    expect(told().slice(1, 3)).toEqual([undefined, 'bob'])
    await asked([keyAuth()], { apikey: 'nameless-key', ...CLAIMS })
    expect(told().slice(1, 3)).toEqual(['nameless', undefined])
  })

  test.each([
    ['username', 'guest'],
    ['id', GUEST],
  ])('of the anonymous consumer, named by its %s', async (_by, anonymous) => {
    const { status } = await asked([keyAuth({ anonymous })], CLAIMS)
    expect(status).toBe(200)
    expect(told()).toEqual([GUEST, 'guest-0', 'guest', undefined, 'true'])
  })

  test('an anonymous consumer that does not exist: nobody, and the request goes on', async () => {
    const { status } = await asked([keyAuth({ anonymous: 'nobody' })], CLAIMS)
    expect(status).toBe(200)
    expect(told()).toEqual([undefined, undefined, undefined, undefined, 'true'])
  })
})

describe('kong.md §3.1 several authentication plugins', () => {
  const messageOf = ({ text }: Answered): unknown => at(JSON.parse(text), 'message')

  test('without anonymous each must pass, and the last one sets the identity', async () => {
    const both = [keyAuth(), nameAuth()]
    expect(messageOf(await asked(both, { 'X-Name': 'bob' }))).toBe('No API key found in request')
    expect(messageOf(await asked(both, { apikey: 'ann-key' }))).toBe('no name')
    const passed = await asked(both, { apikey: 'ann-key', 'X-Name': 'bob' })
    expect(passed.status).toBe(200)
    expect(upstream.last.headers.get('x-consumer-username')).toBe('bob')
  })

  test('with anonymous one is enough; the one that is satisfied is left alone', async () => {
    const either = [keyAuth({ anonymous: 'guest' }), nameAuth({ anonymous: 'guest' })]
    await asked(either, { apikey: 'ann-key' })
    expect(upstream.last.headers.get('x-consumer-username')).toBe('ann')
    expect(upstream.last.headers.has('x-anonymous-consumer')).toBe(false)
    await asked(either, { 'X-Name': 'bob' })
    expect(upstream.last.headers.get('x-consumer-username')).toBe('bob')
    expect(upstream.last.headers.get('x-credential-identifier')).toBe('name-of-bob')
    await asked(either, { apikey: 'ann-key', 'X-Name': 'bob' })
    expect(upstream.last.headers.get('x-consumer-username')).toBe('ann')
    await asked(either, {})
    expect(told()).toEqual([GUEST, 'guest-0', 'guest', undefined, 'true'])
  })

  test('a plugin without anonymous still has to pass beside one with it', async () => {
    const mixed = [keyAuth({ anonymous: 'guest' }), nameAuth()]
    expect((await asked(mixed, {})).status).toBe(401)
    expect((await asked(mixed, { 'X-Name': 'bob' })).status).toBe(200)
  })
})

test('kong.md §3.1 a refusal: nothing else of access runs, the body is Kong’s', async () => {
  const before = upstream.requests.length
  const answer = await asked(
    [keyAuth(), { name: 'rate-limiting', config: { year: 1 } }, { name: 'request-termination' }],
    { Accept: 'text/plain' },
  )
  expect(answer.status).toBe(401)
  expect(answer.text).toMatch(/^No API key found in request\nrequest_id: [0-9a-f]{32}\n$/)
  expect(answer.headers.has('ratelimit-limit')).toBe(false)
  expect(upstream.requests.length).toBe(before)
})
