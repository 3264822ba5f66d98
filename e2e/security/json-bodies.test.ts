import { startSimulator, type Simulator } from '@pratu/simulator'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { givenGateway, type GivenGateway } from '../gateway.ts'

const KEY = 'alice-key-0123456789'

let simulator: Simulator
let gateway: GivenGateway

beforeAll(async () => {
  simulator = await startSimulator()
  gateway = await givenGateway({
    configuration: `_format_version: "3.0"
services:
- name: s
  url: ${simulator.url}/v1/chat/completions
  routes: [{name: r, paths: [/v1/chat], strip_path: false}]
plugins:
- name: key-auth
  config: {key_in_body: true}
consumers:
- {username: alice, keyauth_credentials: [{key: ${KEY}}]}
`,
  })
})

afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await simulator.close()
})

async function send(body: string, headers: Record<string, string> = {}): Promise<Response> {
  const answer = await fetch(`${gateway.url}/v1/chat`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...headers },
    body,
  })
  await answer.clone().text()
  return answer
}

/** How long the event loop, which all of this shares, was away at most, ms. */
async function longestPause(work: () => Promise<unknown>): Promise<number> {
  let last = performance.now()
  let longest = 0
  const timer = setInterval(() => {
    longest = Math.max(longest, performance.now() - last)
    last = performance.now()
  }, 1)
  await work()
  clearInterval(timer)
  return longest
}

test('a key in the body is found, so that what follows tests something', async () => {
  const body = { apikey: KEY, model: 'gpt-4.1', messages: [{ role: 'user', content: 'hi' }] }
  expect((await send(JSON.stringify(body))).status).toBe(200)
})

describe('S24 prototypes are out of reach', () => {
  test.each([
    `{"__proto__":{"apikey":"${KEY}"}}`,
    `{"constructor":{"prototype":{"apikey":"${KEY}"}}}`,
    `{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}`,
    `{"\\u005f_proto__":{"apikey":"${KEY}"}}`,
    `[{"apikey":"${KEY}"}]`,
    `{"apikey":{"toString":"${KEY}"}}`,
    `{"apikey":["${KEY}"]}`,
  ])('%s', async (body) => {
    expect((await send(body)).status).toBe(401)
    expect(Reflect.get({}, 'polluted')).toBeUndefined()
    expect(Reflect.get({}, 'apikey')).toBeUndefined()
  })

  test('in query and headers as well', async () => {
    const answer = await fetch(
      `${gateway.url}/v1/chat?__proto__[apikey]=${KEY}&constructor=${KEY}`,
      {
        headers: { constructor: KEY, 'to-string': KEY },
      },
    )
    expect(answer.status).toBe(401)
    expect(Reflect.get({}, 'apikey')).toBeUndefined()
  })
})

describe('S25 depth', () => {
  test.each([
    ['20 KB of [', '['.repeat(20_000)],
    ['20 KB of { in a member', '{"a":'.repeat(20_000)],
    [
      'deep and closed, a key beside it',
      `{"a":${'['.repeat(5_000)}${']'.repeat(5_000)},"apikey":"${KEY}"}`,
    ],
    ['a megabyte of [', '['.repeat(1_000_000)],
  ])('%s: counts as a body without a key, and costs nothing', async (_what, body) => {
    let status = 0
    const pause = await longestPause(async () => {
      status = (await send(body)).status
    })
    expect(status).toBe(401)
    expect(pause).toBeLessThan(500)
  })
})

describe('S26 width, numbers, repetition', () => {
  const members = Array.from({ length: 90_000 }, (_, i) => `"k${i}":${i % 10}`).join(',')

  test('as many members as fit into what is searched: no key, and no long pause', async () => {
    let status = 0
    const pause = await longestPause(async () => {
      status = (await send(`{${members},"apikey":"${KEY}"}`)).status
    })
    expect(status).toBe(401)
    expect(pause).toBeLessThan(500)
  })

  test.each([
    `{"apikey":"${KEY}","apikey":"other"}`,
    `{"apikey":"other","apikey":"${KEY}"}`,
    `{"apikey":"${KEY}","\\u0061pikey":"${KEY}"}`,
  ])('a key given twice opens nothing: %s', async (body) => {
    expect((await send(body)).status).toBe(401)
  })

  test.each(['1e999', '-1', '1.5', '"1"', '123456789012345678901234567890'])(
    'the number %s passes as it was written',
    async (number) => {
      simulator.clear()
      const body = `{"model":"gpt-4.1","max_tokens":${number},"messages":[{"role":"user","content":"hi"}]}`
      await send(body, { apikey: KEY })
      expect(simulator.requests[0]?.body).toBe(body)
    },
  )

  test('a body that is judged is the one that is sent, byte for byte', async () => {
    simulator.clear()
    const body = `{ "model" : "gpt-4.1",\t"messages":[{"role":"user","content":"\\u0068i é"}] }\n`
    expect((await send(body, { apikey: KEY })).status).toBe(200)
    expect(simulator.requests[0]?.body).toBe(body)
  })

  test.each(['{"apikey":', 'null', '"x"', '12', '', '\u0000', '{"apikey":"\ud800"}'])(
    'what is no JSON object holds no key: %j',
    async (body) => {
      expect((await send(body)).status).toBe(401)
    },
  )
})
