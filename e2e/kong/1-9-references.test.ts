import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  admin,
  ask,
  at,
  configure,
  givenKong,
  givenUpstream,
  refusals,
  type GivenUpstream,
} from './support.ts'

let upstream: GivenUpstream

beforeAll(async () => {
  upstream = await givenUpstream()
})
afterAll(() => upstream[Symbol.asyncDispose]())

const ENVIRONMENT = {
  MY_KEY: 'key-from-env',
  APP_MY_KEY: 'key-with-prefix',
  MY_KEY_PREVIOUS: 'key-before',
  PAIR: '{"user":"ann","key":"key-in-json","list":[1]}',
  VAULT_ONE: 'key-of-vault',
}

/** A gateway whose only key is the reference. */
async function givenKey(reference: string, vaults: readonly object[] = []) {
  return givenKong(
    {
      vaults,
      services: [
        { url: upstream.url, plugins: [{ name: 'key-auth' }], routes: [{ paths: ['/'] }] },
      ],
      consumers: [{ username: 'ann', keyauth_credentials: [{ key: reference }] }],
    },
    ENVIRONMENT,
  )
}

describe('kong.md §1.9 references to the environment', () => {
  test.each([
    ['{vault://env/my-key}', 'key-from-env', 'dashes become underscores, letters capitals'],
    ['{vault://env/my_key}', 'key-from-env', 'underscores stay'],
    ['{vault://env/my-key?prefix=APP_}', 'key-with-prefix', 'a prefix of the reference'],
    ['{vault://env/my-key#2}', 'key-before', 'the version before'],
    ['{vault://env/pair/key}', 'key-in-json', 'a member of a JSON object'],
    ['{vault://my-vault/one}', 'key-of-vault', 'a vault of the file, with its prefix'],
    ['$(MY_KEY)', 'key-from-env', 'our own form'],
  ])('%s: %s', async (reference, key) => {
    await using given = await givenKey(reference, [
      { prefix: 'my-vault', name: 'env', config: { prefix: 'VAULT_' } },
    ])
    expect((await ask(given.port, { headers: { apikey: key } })).status).toBe(200)
    expect((await ask(given.port, { headers: { apikey: reference } })).status).toBe(401)
  })

  test('only a whole value is a vault reference', async () => {
    await using given = await givenKey('x{vault://env/my-key}')
    const answer = await ask(given.port, { headers: { apikey: 'x{vault://env/my-key}' } })
    expect(answer.status).toBe(200)
  })

  test('${VAR} and ${{ env "X" }} mean nothing', async () => {
    await using given = await givenKey('${MY_KEY}')
    expect((await ask(given.port, { headers: { apikey: '${MY_KEY}' } })).status).toBe(200)
  })

  // Kong starts with an empty text instead: a key that anybody can guess (architecture §4).
  test.each([
    '{vault://env/not-set}',
    '{vault://env/pair/absent}',
    '{vault://env/pair/list}',
    '{vault://env/my-key/member}',
    '{vault://nowhere/x}',
    '$(NOT_SET)',
  ])('what cannot be resolved is an error, unlike in Kong: %s', async (reference) => {
    await using given = await givenKong({}, ENVIRONMENT)
    const [error, ...others] = await refusals(given, {
      consumers: [{ username: 'ann', keyauth_credentials: [{ key: reference }] }],
    })
    expect(others).toEqual([])
    expect(error).toContain(`consumers.1.keyauth_credentials.1.key: ${reference} `)
  })

  test('the Admin API shows the reference, not the secret', async () => {
    await using given = await givenKong({}, ENVIRONMENT)
    const answer = await configure(given, {
      plugins: [
        {
          name: 'rate-limiting',
          config: {
            minute: 1,
            policy: 'redis',
            redis: { host: 'r', password: '{vault://env/my-key}' },
          },
        },
      ],
    })
    expect(answer.status).toBe(201)
    const { json, text } = await admin(given, '/plugins')
    expect(at(json, 'data', 0, 'config', 'redis', 'password')).toBe('{vault://env/my-key}')
    expect(text + answer.text + (await admin(given, '/config')).text).not.toContain('key-from-env')
  })
})

describe('kong.md §1.9 ttl of a key', () => {
  const now = Math.floor(Date.now() / 1000)

  test.each([
    ['3600 is a moment in 1970: the key is off at once', 3600, 401],
    ['a moment ago', now - 1, 401],
    ['a moment to come', now + 3600, 200],
    ['none', undefined, 200],
  ])('%s', async (_name, ttl, status) => {
    await using given = await givenKong({
      services: [
        { url: upstream.url, plugins: [{ name: 'key-auth' }], routes: [{ paths: ['/'] }] },
      ],
      consumers: [{ username: 'ann', keyauth_credentials: [{ key: 'k', ttl }] }],
    })
    expect((await ask(given.port, { headers: { apikey: 'k' } })).status).toBe(status)
  })
})
