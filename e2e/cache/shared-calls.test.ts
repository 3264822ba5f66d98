import { describe, expect, test } from 'vitest'
import { chat } from '../gateway.ts'
import { givenCached, metric, statusOf, textOf } from './given-cached.ts'

const PATH = '/v1/chat/completions'
const MANY = 200

const KEYS = `
- name: key-auth
consumers:
- username: alice
  keyauth_credentials: [{key: alice-key}]
- username: bob
  keyauth_credentials: [{key: bob-key}]
`

describe('F73 T17 equal requests at once ask the provider once', () => {
  test('200 buffered', async () => {
    await using given = await givenCached({ simulator: { latency: '300ms' } })
    const answers = await Promise.all(
      Array.from({ length: MANY }, async () => {
        const answer = await fetch(`${given.url}${PATH}`, chat())
        return [answer.status, await answer.text()] as const
      }),
    )
    expect(new Set(answers.map(([status]) => status))).toEqual(new Set([200]))
    expect(new Set(answers.map(([, text]) => text)).size).toBe(1)
    expect(given.simulator.requests).toHaveLength(1)
    const follow = 'pratu_cache_requests_total{service="chat",route="chat",status="follow"}'
    expect(await metric(given, follow)).toBe(MANY - 1)
  })

  test('200 streamed, half of them with another idea of the form', async () => {
    await using given = await givenCached({
      simulator: { latency: '200ms', tokensPerSecond: 200 },
    })
    const usage = { stream: true, stream_options: { include_usage: true } }
    const forms = [usage, { stream: true }, {}]
    const lead = fetch(`${given.url}${PATH}`, chat(usage))
    await given.simulator.waitForRequest()
    const answers = await Promise.all(
      Array.from({ length: MANY }, async (_, i) => {
        const answer = await fetch(`${given.url}${PATH}`, chat(forms[i % 3]))
        expect(statusOf(answer)).toBe('Hit')
        const text = await answer.text()
        if (i % 3 === 1) expect(text).not.toContain('total_tokens')
        if (i % 3 !== 2) return textOf(text)
        const { choices } = JSON.parse(text) as { choices: { message: { content: string } }[] }
        return choices[0]?.message.content
      }),
    )
    expect(new Set([...answers, textOf(await (await lead).text())]).size).toBe(1)
    expect(given.simulator.requests).toHaveLength(1)
  })

  test('one who joins in the middle of a stream replays what has come and follows live', async () => {
    await using given = await givenCached({ simulator: { tokensPerSecond: 40 } })
    const body = { stream: true, messages: [{ role: 'user', content: 'tokens:30' }] }
    const lead = await fetch(`${given.url}${PATH}`, chat(body))
    const reader = lead.body?.getReader()
    const first = await reader?.read()
    const late = await fetch(`${given.url}${PATH}`, chat(body))
    let text = Buffer.from(first?.value ?? []).toString()
    for (let one = await reader?.read(); one?.done === false; one = await reader?.read())
      text += Buffer.from(one.value).toString()
    expect(await late.text()).toBe(text)
    expect(given.simulator.requests).toHaveLength(1)
  })

  test('the leader’s client leaves: the others get their answer, and it is charged once', async () => {
    await using given = await givenCached({ simulator: { latency: '300ms' } })
    const leader = new AbortController()
    const led = fetch(`${given.url}${PATH}`, { ...chat(), signal: leader.signal })
    await given.simulator.waitForRequest()
    const others = Array.from({ length: 20 }, () => fetch(`${given.url}${PATH}`, chat()))
    await until(async () => (await metric(given, 'pratu_requests_in_flight')) >= 21)
    leader.abort()
    await expect(led).rejects.toThrow('abort')
    const answers = await Promise.all(others)
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200))
    await Promise.all(answers.map((answer) => answer.arrayBuffer()))
    expect(given.simulator.requests).toHaveLength(1)
    await until(async () => (await metric(given, 'pratu_llm_requests_total{')) === 1)
    expect(statusOf(await fetch(`${given.url}${PATH}`, chat()))).toBe('Hit')
  })

  test('everyone leaves: the provider is told', async () => {
    await using given = await givenCached({ simulator: { latency: '20s' } })
    const gone = new AbortController()
    const ask = () =>
      fetch(`${given.url}${PATH}`, { ...chat(), signal: gone.signal }).catch(() => undefined)
    const all = [ask()]
    const request = await given.simulator.waitForRequest()
    all.push(ask(), ask())
    await until(async () => (await metric(given, 'pratu_requests_in_flight')) >= 3)
    gone.abort()
    await Promise.all(all)
    expect(await request.closed).toMatchObject({ by: 'client' })
    await until(async () => (await metric(given, 'pratu_requests_in_flight')) === 0)
  })

  test('the leader fails: one of the others asks, once, for all', async () => {
    await using given = await givenCached({
      simulator: {
        latency: '200ms',
        rules: [{ match: { nth: 1 }, fault: 'status=503; delay=300ms' }],
      },
    })
    const led = fetch(`${given.url}${PATH}`, chat())
    await given.simulator.waitForRequest()
    const others = Array.from({ length: 20 }, () => fetch(`${given.url}${PATH}`, chat()))
    expect((await led).status).toBe(503)
    const answers = await Promise.all(others)
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200))
    expect(given.simulator.requests).toHaveLength(2)
  })

  test('both fail: all are told, and nobody asks a third time', async () => {
    await using given = await givenCached({
      simulator: { rules: [{ fault: 'status=503; delay=300ms' }] },
    })
    const led = fetch(`${given.url}${PATH}`, chat())
    await given.simulator.waitForRequest()
    const others = Array.from({ length: 20 }, () => fetch(`${given.url}${PATH}`, chat()))
    expect((await led).status).toBe(503)
    const answers = await Promise.all(others)
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 503))
    expect(given.simulator.requests).toHaveLength(2)
    expect(statusOf(await fetch(`${given.url}${PATH}`, chat()))).not.toBe('Hit')
  })

  test('followers wait no longer than they may', async () => {
    await using given = await givenCached({
      ai: 'share_timeout: 100',
      simulator: { rules: [{ match: { nth: 1 }, fault: 'hang' }] },
    })
    const stuck = new AbortController()
    const led = fetch(`${given.url}${PATH}`, { ...chat(), signal: stuck.signal }).catch(
      () => 'gone',
    )
    await given.simulator.waitForRequest()
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => fetch(`${given.url}${PATH}`, chat())),
    )
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200))
    expect(given.simulator.requests).toHaveLength(2)
    stuck.abort()
    expect(await led).toBe('gone')
  })
})

describe('S31 tenants', () => {
  const ask = (key: string) => chat({}, { apikey: key })

  test('two consumers with the same body are two calls, one consumer is one', async () => {
    await using given = await givenCached({ more: KEYS, simulator: { latency: '100ms' } })
    const statuses = await Promise.all(
      ['alice-key', 'bob-key', 'alice-key', 'bob-key'].map(
        async (key) => (await fetch(`${given.url}${PATH}`, ask(key))).status,
      ),
    )
    expect(statuses).toEqual([200, 200, 200, 200])
    expect(given.simulator.requests).toHaveLength(2)
  })

  test('they share where the file says so', async () => {
    await using given = await givenCached({ more: KEYS, ai: 'scope: global' })
    await (await fetch(`${given.url}${PATH}`, ask('alice-key'))).arrayBuffer()
    expect(statusOf(await fetch(`${given.url}${PATH}`, ask('bob-key')))).toBe('Hit')
    expect(given.simulator.requests).toHaveLength(1)
  })
})

/** Waits until `holds`; the test's own time limit ends it otherwise. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 10))
}
