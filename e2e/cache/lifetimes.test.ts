import { describe, expect, test } from 'vitest'
import { chat } from '../gateway.ts'
import { givenCached, statusOf } from './given-cached.ts'

const PATH = '/v1/chat/completions'

describe('answers that are too old', () => {
  test('stale-while-revalidate: the old one is given at once, a new one is fetched behind it, once', async () => {
    await using given = await givenCached({
      config: 'storage_ttl: 3600',
      ai: 'stale_while_revalidate: 3600\nmodels: [{name: "gpt-*", ttl: 1}]',
    })
    const ask = async () => {
      const answer = await fetch(`${given.url}${PATH}`, chat())
      await answer.arrayBuffer()
      return statusOf(answer)
    }
    expect(await ask()).toBe('Miss')
    const statuses = new Set<string | null>()
    while (given.simulator.requests.length < 2) statuses.add(await ask())
    expect(statuses).toEqual(new Set(['Hit']))
    await given.simulator.waitForRequest(({ path }) => path === PATH)
    expect(await ask()).toBe('Hit')
  })

  test('without it the first who asks too late waits for a new one', async () => {
    await using given = await givenCached({ ai: 'models: [{name: "gpt-*", ttl: 1}]' })
    const statuses: (string | null)[] = []
    while (given.simulator.requests.length < 2) {
      const answer = await fetch(`${given.url}${PATH}`, chat())
      await answer.arrayBuffer()
      statuses.push(statusOf(answer))
    }
    expect(statuses.at(-1)).toBe('Miss')
    expect(new Set(statuses.slice(1, -1))).toEqual(new Set(['Hit']))
  })

  test.each([
    ['fails', 'status=500'],
    ['is out of tokens', 'status=429'],
    ['cannot be reached', 'reset'],
  ])('stale-if-error: the old one stands in when the provider %s', async (_name, fault) => {
    await using given = await givenCached({ ai: 'stale_if_error: 3600' })
    const whole = await (await fetch(`${given.url}${PATH}`, chat())).text()
    given.simulator.setRules([{ fault }])
    const refreshed = await fetch(
      `${given.url}${PATH}`,
      chat({}, { 'cache-control': 'min-fresh=9999' }),
    )
    expect([refreshed.status, statusOf(refreshed)]).toEqual([200, 'Hit'])
    expect(await refreshed.text()).toBe(whole)
    const stream = await fetch(
      `${given.url}${PATH}`,
      chat({ stream: true }, { 'cache-control': 'min-fresh=9999' }),
    )
    expect(stream.headers.get('content-type')).toContain('text/event-stream')
    expect((await stream.text()).endsWith('data: [DONE]\n\n')).toBe(true)
  })
})

describe('purge on the admin port', () => {
  const KEYS = `
- name: key-auth
consumers:
- {username: alice, keyauth_credentials: [{key: alice-key}]}
- {username: bob, keyauth_credentials: [{key: bob-key}]}
`

  test('by consumer, by model, by key and all', async () => {
    await using given = await givenCached({ more: KEYS })
    const ask = async (who: string, model: string) => {
      const answer = await fetch(`${given.url}${PATH}`, chat({ model }, { apikey: `${who}-key` }))
      await answer.arrayBuffer()
      return answer
    }
    const purge = async (what: string) =>
      (await fetch(`${given.adminUrl}/proxy-cache${what}`, { method: 'DELETE' })).status
    const all = [
      ['alice', 'gpt-4.1'],
      ['alice', 'gpt-4o'],
      ['bob', 'gpt-4.1'],
    ] as const
    const statuses = () =>
      Promise.all(all.map(async ([who, model]) => statusOf(await ask(who, model))))
    expect(await statuses()).toEqual(['Miss', 'Miss', 'Miss'])
    expect(await purge('?consumer=alice')).toBe(204)
    expect(await statuses()).toEqual(['Miss', 'Miss', 'Hit'])
    expect(await purge('?model=gpt-4.1')).toBe(204)
    expect(await statuses()).toEqual(['Miss', 'Hit', 'Miss'])
    const key = (await ask('bob', 'gpt-4.1')).headers.get('x-cache-key')
    expect(await purge(`/${key}`)).toBe(204)
    expect(await statuses()).toEqual(['Hit', 'Hit', 'Miss'])
    expect(await purge('?consumer=nobody')).toBe(404)
    expect(await purge('?modle=gpt-4.1')).toBe(400)
    expect(await statuses()).toEqual(['Hit', 'Hit', 'Hit'])
    expect(await purge('')).toBe(204)
    expect(await statuses()).toEqual(['Miss', 'Miss', 'Miss'])
  })
})

describe('S33 what is not in the key cannot change an answer', () => {
  test('the provider’s cookies and limits are the first caller’s alone', async () => {
    await using given = await givenCached()
    const fault = JSON.stringify({
      header: ['Set-Cookie: a=b', 'x-ratelimit-remaining-tokens: 7', 'x-request-id: req_1'],
    })
    const headers = { 'x-simulator-fault': fault }
    const first = await fetch(`${given.url}${PATH}`, chat({}, headers))
    await first.arrayBuffer()
    expect(first.headers.get('set-cookie')).toBe('a=b')
    const second = await fetch(`${given.url}${PATH}`, chat())
    expect(statusOf(second)).toBe('Hit')
    for (const name of ['set-cookie', 'x-ratelimit-remaining-tokens'])
      expect(second.headers.has(name)).toBe(false)
    expect(second.headers.get('x-request-id')).not.toBe('req_1')
  })

  test('X-Forwarded-Host, query and provider fields part answers', async () => {
    await using given = await givenCached()
    const ask = async (query: string, headers: Record<string, string>) => {
      const answer = await fetch(`${given.url}${PATH}${query}`, chat({}, headers))
      await answer.arrayBuffer()
      return statusOf(answer)
    }
    expect(await ask('', {})).toBe('Miss')
    expect(await ask('?x=1', {})).toBe('Miss')
    expect(await ask('', { 'openai-organization': 'o' })).toBe('Miss')
    expect(await ask('', { authorization: 'Bearer one' })).toBe('Miss')
    expect(await ask('', { authorization: 'Bearer two' })).toBe('Miss')
    expect(await ask('', {})).toBe('Hit')
  })
})
