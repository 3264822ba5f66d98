/** Every configuration that a user copies from here: valid, meant as written, and proxied. */
import { fileURLToPath } from 'node:url'
import { startSimulator } from '@pratu/simulator'
import { describe, expect, test } from 'vitest'
import { chat } from '../e2e/gateway.ts'
import { startPratu } from '../e2e/pratu-process.ts'
import { runCommand } from '../e2e/run-command.ts'

const BIN = fileURLToPath(new URL('../packages/gateway/bin/pratu.js', import.meta.url))
const KEYS = {
  OPENAI_API_KEY: 'sk-openai',
  ANTHROPIC_API_KEY: 'sk-anthropic',
  MY_APP_KEY: 'key-of-my-app',
}
const AS_MY_APP = { Authorization: `Bearer ${KEYS.MY_APP_KEY}` }

const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

const FILES = ['minimal.yml', 'kong.yml', 'budgets.yml', 'providers.yml', 'split']

describe.each(FILES)('%s', (name) => {
  test('pratu check: exit 0, and nothing that its author cannot have meant', async () => {
    const { code, stdout } = await runCommand(
      [process.execPath, BIN, 'check', path(name), '--format', 'json', '--no-advice'],
      { environment: KEYS },
    )
    expect(JSON.parse(stdout)).toMatchObject({ ok: true, diagnostics: [] })
    expect(code).toBe(0)
  })
})

test('kong.yml: keys, limits, the cache, request ids, metrics, and the provider sees only its own key', async () => {
  await using it = await given('kong.yml')
  const ask = (headers = {}): Promise<Response> =>
    fetch(`${it.pratu.proxyUrl}/v1/chat/completions`, chat({}, headers))
  expect((await ask()).status).toBe(401)
  const first = await ask(AS_MY_APP)
  expect(Object.fromEntries(first.headers)).toMatchObject({
    'x-cache-status': 'Miss',
    'x-ratelimit-limit-minute': '100',
    'x-ratelimit-remaining-hour': '999',
    'x-correlation-id': expect.stringMatching(/^[0-9a-f-]{36}$/),
  })
  const second = await ask(AS_MY_APP)
  expect(second.headers.get('x-cache-status')).toBe('Hit')
  expect(await second.text()).toBe(await first.text())
  expect(
    it.simulator.requests.map((request) => [request.target, request.header('authorization')]),
  ).toEqual([['/v1/chat/completions', 'Bearer sk-openai']])
  const metrics = await (await fetch(`${it.pratu.adminUrl}/metrics`)).text()
  expect(metrics).toContain('consumer="my-app"')
})

test('budgets.yml: the client is told what is left, the operator what was spent', async () => {
  await using it = await given('budgets.yml')
  const answer = await fetch(
    `${it.pratu.proxyUrl}/v1/chat/completions`,
    chat({ max_tokens: 100 }, AS_MY_APP),
  )
  expect(answer.status).toBe(200)
  expect(Object.fromEntries(answer.headers)).toMatchObject({
    'x-ratelimit-limit-requests': '60',
    'x-ratelimit-remaining-requests': '59',
    'x-ratelimit-limit-tokens': '200000',
  })
  await answer.text()
  const metrics = await (await fetch(`${it.pratu.adminUrl}/metrics`)).text()
  expect(metrics).toContain('pratu_limits_limit{limit="app-budget",quantity="cost"} 20')
  const used = /pratu_limits_used_total\{limit="team-budget",quantity="cost",consumer=""\} (\S+)/
  expect(Number(used.exec(metrics)?.[1])).toBeGreaterThan(0)
  const unpriced = await fetch(
    `${it.pratu.proxyUrl}/v1/chat/completions`,
    chat({ model: 'no-such-model' }, AS_MY_APP),
  )
  expect(unpriced.status).toBe(403)
})

test('minimal.yml: the caller’s own key reaches the provider', async () => {
  await using it = await given('minimal.yml')
  const answer = await fetch(`${it.pratu.proxyUrl}/v1/chat/completions`, chat({}, AS_MY_APP))
  expect(answer.status).toBe(200)
  expect(
    it.simulator.requests.map((request) => [request.target, request.header('authorization')]),
  ).toEqual([['/v1/chat/completions', `Bearer ${KEYS.MY_APP_KEY}`]])
})

test('providers.yml: each path reaches its provider with that provider’s key, in its own field', async () => {
  await using it = await given('providers.yml')
  await fetch(`${it.pratu.proxyUrl}/openai/v1/chat/completions`, chat({}, AS_MY_APP))
  await fetch(
    `${it.pratu.proxyUrl}/anthropic/v1/messages`,
    chat({}, { 'x-api-key': KEYS.MY_APP_KEY }),
  )
  await fetch(`${it.pratu.proxyUrl}/local/v1/chat/completions`, chat({}, AS_MY_APP))
  expect(
    it.simulator.requests.map((request) => [
      request.header('host'),
      request.target,
      request.header('authorization') ?? request.header('x-api-key'),
    ]),
  ).toEqual([
    ['api.openai.com', '/v1/chat/completions', 'Bearer sk-openai'],
    ['api.anthropic.com', '/v1/messages', 'sk-anthropic'],
    ['127.0.0.1:8001', '/v1/chat/completions', undefined],
  ])
})

test('split: the two files are one configuration', async () => {
  await using it = await given('split')
  const answer = await fetch(`${it.pratu.proxyUrl}/v1/chat/completions`, chat({}, AS_MY_APP))
  expect([answer.status, answer.headers.get('x-ratelimit-limit-minute')]).toEqual([200, '100'])
  expect(it.simulator.requests[0]?.header('authorization')).toBe('Bearer sk-openai')
})

/** An example on the real program, with one simulator in every provider's place. */
async function given(name: string) {
  const simulator = await startSimulator()
  const origins = [
    'https://api.openai.com',
    'https://api.anthropic.com',
    'http://127.0.0.1:8001',
    'http://127.0.0.1:8002',
  ]
  const pratu = await startPratu({
    args: ['--config', path(name)],
    environment: {
      ...KEYS,
      PRATU_UPSTREAM_OVERRIDES: origins.map((origin) => `${origin}=${simulator.url}`).join(','),
    },
  })
  return {
    simulator,
    pratu,
    async [Symbol.asyncDispose]() {
      await pratu.stop()
      await simulator.close()
    },
  }
}
