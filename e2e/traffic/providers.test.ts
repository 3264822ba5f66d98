import { startSimulator, type RecordedRequest } from '@pratu/simulator'
import { describe, expect, test } from 'vitest'
import { chat, givenGateway } from '../gateway.ts'

const CALLER = 'caller-key-0123456789'

interface Asked {
  readonly status: number
  readonly seen: readonly RecordedRequest[]
}

/** Sends `count` requests to a service of a provider, and tells what the provider saw. */
async function ask(
  provider: string,
  options: { readonly count?: number; readonly more?: string; readonly borrows?: boolean } = {},
): Promise<Asked> {
  await using simulator = Object.assign(await startSimulator(), {
    [Symbol.asyncDispose]: () => simulator.close(),
  })
  await using gateway = await givenGateway({
    configuration: `_format_version: "3.0"
providers:
- ${provider}
services:
- name: s
  url: ${simulator.url}/v1/chat/completions
${options.borrows === false ? '' : '  provider: p\n'}  routes: [{name: r, paths: [/v1/chat], strip_path: false}]
${options.more ?? ''}`,
    environment: { PROVIDER_KEY: 'from-the-environment' },
  })
  let status = 0
  for (let i = 0; i < (options.count ?? 1); i++) {
    const headers = { Authorization: `Bearer ${CALLER}` }
    const answer = await fetch(`${gateway.url}/v1/chat`, chat({}, headers))
    await answer.text()
    status = answer.status
  }
  return { status, seen: [...simulator.requests] }
}

const WITH_KEY_AUTH = `plugins:
- name: key-auth
consumers:
- username: c
  keyauth_credentials: [{key: ${CALLER}}]
`

describe('issue 2 part 6 whose credential goes upstream', () => {
  test.each([
    ['openai', 'authorization', 'Bearer pk'],
    ['anthropic', 'x-api-key', 'pk'],
    ['gemini', 'x-goog-api-key', 'pk'],
    ['azure-openai', 'api-key', 'pk'],
    ['openai-compatible', 'authorization', 'Bearer pk'],
    ['groq', 'authorization', 'Bearer pk'],
    ['ollama', 'authorization', 'Bearer pk'],
  ])('of kind %s: in %s', async (kind, header, value) => {
    const { seen } = await ask(`{name: p, kind: ${kind}, api_key: pk}`)
    expect(seen[0]?.header(header)).toBe(value)
    expect(seen[0]?.rawHead.toString()).not.toContain(CALLER)
    // That one, and no other of them.
    const others = ['authorization', 'x-api-key', 'x-goog-api-key', 'api-key'].filter(
      (name) => name !== header && seen[0]?.header(name) !== undefined,
    )
    expect(others).toEqual([])
  })

  test('several keys take turns', async () => {
    const { seen } = await ask('{name: p, kind: openai, api_key: [a, b, c]}', { count: 5 })
    expect(seen.map((request) => request.header('authorization'))).toEqual(
      ['a', 'b', 'c', 'a', 'b'].map((key) => `Bearer ${key}`),
    )
  })

  test('a key from the environment', async () => {
    const { seen } = await ask('{name: p, kind: openai, api_key: $(PROVIDER_KEY)}')
    expect(seen[0]?.header('authorization')).toBe('Bearer from-the-environment')
  })

  test('a provider without a key gets the caller’s neither', async () => {
    const { seen } = await ask('{name: p, kind: ollama}')
    expect(seen[0]?.header('authorization')).toBeUndefined()
  })

  test('with key-auth: the caller is known by its key, the provider by its own', async () => {
    const provider = '{name: p, kind: openai, api_key: pk}'
    const { status, seen } = await ask(provider, { more: WITH_KEY_AUTH })
    expect([status, seen[0]?.header('authorization')]).toEqual([200, 'Bearer pk'])
    const refused = await ask(provider, { more: WITH_KEY_AUTH.replace(CALLER, 'another-key') })
    expect([refused.status, refused.seen.length]).toEqual([401, 0])
  })

  test('without provider: the caller’s key is the provider’s, with and without key-auth', async () => {
    for (const more of ['', WITH_KEY_AUTH]) {
      const { status, seen } = await ask('{name: p, kind: openai, api_key: pk}', {
        more,
        borrows: false,
      })
      expect([status, seen[0]?.header('authorization')]).toEqual([200, `Bearer ${CALLER}`])
    }
  })
})
