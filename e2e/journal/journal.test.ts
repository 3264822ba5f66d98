/** The usage journal of a running gateway: what is recorded, when, and what never is. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { readSegments, type UsageRecord } from '../../packages/gateway/src/journal/index.ts'
import { chat, givenAiGateway } from '../gateway.ts'

let directory = ''
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'pratu-journal-'))
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

async function records(): Promise<UsageRecord[]> {
  const found: UsageRecord[] = []
  await readSegments(directory, (record) => found.push(record))
  return found
}

const KEYED = `
- {name: plain, url: 'http://127.0.0.1:1', routes: [{paths: [/plain]}], retries: 0}
consumers:
- username: alice
  tags: [team-a]
  keyauth_credentials: [{key: key-of-alice}]
plugins:
- {name: key-auth, config: {key_names: [x-key]}}
`

test.each(['1', '2'])('with %s workers every AI exchange has one record', async (workers) => {
  await using it = await givenAiGateway({
    plugins: KEYED,
    environment: { PRATU_JOURNAL_DIR: directory, PRATU_WORKERS: workers },
  })
  const key = { 'x-key': 'key-of-alice' }
  const answers = await Promise.all([
    ...Array.from({ length: 5 }, () => fetch(`${it.url}/v1/chat`, chat({}, key))),
    fetch(
      `${it.url}/v1/chat`,
      chat({ stream: true, stream_options: { include_usage: true } }, key),
    ),
    fetch(`${it.url}/v1/chat`, chat()),
    fetch(`${it.url}/plain`, { headers: key }),
  ])
  for (const answer of answers) await answer.text()
  const ids = answers.map(({ headers }) => headers.get('x-kong-request-id') ?? '')
  await it.gateway.drain({ minimumMs: 0, timeoutMs: 1000 })

  const found = await records()
  expect(found.map(({ id }) => id).toSorted()).toEqual(ids.slice(0, 7).toSorted())
  const byId = new Map(found.map((record) => [record.id, record]))
  expect(byId.get(ids[0] ?? '')).toMatchObject({
    replica: 'test-host',
    outcome: 'ok',
    status: 200,
    tags: ['team-a'],
    route: 'chat',
    service: 'chat',
    model: 'gpt-4.1',
    streamed: false,
    cached: false,
    usage: { source: 'provider' },
  })
  expect(byId.get(ids[0] ?? '')?.consumer).toMatch(/^[\da-f-]{36}$/)
  expect(byId.get(ids[5] ?? '')).toMatchObject({ streamed: true, usage: { source: 'provider' } })
  expect(byId.get(ids[6] ?? '')).toMatchObject({ status: 401, usage: undefined })
})

test('T12 with sync always a record is in the file when its answer has ended', async () => {
  await using it = await givenAiGateway({
    environment: { PRATU_JOURNAL_DIR: directory, PRATU_JOURNAL_SYNC: 'always' },
  })
  for (const stream of [false, true, false]) {
    const answer = await fetch(`${it.url}/v1/chat`, chat({ stream }))
    await answer.text()
    const ids = (await records()).map(({ id }) => id)
    expect(ids).toContain(answer.headers.get('x-kong-request-id'))
  }
  expect(await records()).toHaveLength(3)
  await it.gateway.drain({ minimumMs: 0, timeoutMs: 1000 })
  expect(await records()).toHaveLength(3)
})

test('S47 no prompt, no answer and no key is in the journal', async () => {
  await using it = await givenAiGateway({
    plugins: KEYED,
    environment: {
      PRATU_JOURNAL_DIR: directory,
      PRATU_JOURNAL_TRAFFIC: 'all',
      PRATU_REDACT_FIELDS: 'consumer:hash, tags:drop',
    },
  })
  const canary = 'a canary in a prompt'
  const body = { messages: [{ role: 'user', content: canary }] }
  const answer = await fetch(`${it.url}/v1/chat`, chat(body, { 'x-key': 'key-of-alice' }))
  const { choices } = (await answer.json()) as { choices: { message: { content: string } }[] }
  await (await fetch(`${it.url}/plain?secret=canary`)).text()
  await it.gateway.drain({ minimumMs: 0, timeoutMs: 1000 })

  const text = readdirSync(directory)
    .map((name) => readFileSync(join(directory, name), 'utf8'))
    .join('')
  expect(text.split('\n')).toHaveLength(3)
  for (const secret of [
    canary,
    choices[0]?.message.content ?? 'none',
    'key-of-alice',
    'team-a',
    'canary',
  ])
    expect(text).not.toContain(secret)
  expect((await records())[0]?.consumer).toMatch(/^[\da-f]{16}$/)
})

test.each([
  ['continue', 200],
  ['reject', 503],
])(
  'F57 while records cannot be written, on_error %s answers %i; then all are there',
  async (onError, status) => {
    const blocked = join(directory, 'journal')
    writeFileSync(blocked, 'a file where the directory should be')
    await using it = await givenAiGateway({
      environment: { PRATU_JOURNAL_DIR: blocked, PRATU_JOURNAL_ON_ERROR: onError },
    })
    const ask = async (): Promise<Response> => {
      const answer = await fetch(`${it.url}/v1/chat`, chat())
      await answer.arrayBuffer()
      return answer
    }
    expect((await ask()).status).toBe(200)
    const failing = async (): Promise<boolean> =>
      /^pratu_journal_failing 1$/m.test(await (await fetch(`${it.adminUrl}/metrics`)).text())
    await expect.poll(failing).toBe(true)
    expect((await ask()).status).toBe(status)
    rmSync(blocked)
    await expect.poll(failing, { timeout: 5000 }).toBe(false)
    expect((await ask()).status).toBe(200)
    await it.gateway.drain({ minimumMs: 0, timeoutMs: 1000 })
    directory = blocked
    const found = await records()
    directory = join(blocked, '..')
    // The one that was refused has a record too: it is AI traffic.
    expect(found.map(({ status: told }) => told)).toEqual([200, status, 200])
  },
)

test('S47 what is told to be kept out of the log is hashed, or not there', async () => {
  const log = join(directory, 'access.log')
  await using it = await givenAiGateway({
    plugins: KEYED,
    environment: {
      PRATU_PROXY_ACCESS_LOG: log,
      PRATU_REDACT_FIELDS:
        'client_ip:drop, consumer:hash, credential:drop, tags:drop, query:hash, model:hash, header.x-user:hash, header.user-agent:drop',
      PRATU_REDACT_KEY: 'key',
    },
  })
  const headers = { 'x-key': 'key-of-alice', 'x-user': 'someone@example.com' }
  const answer = await fetch(`${it.url}/v1/chat?who=someone`, chat({}, headers))
  await answer.text()
  await it.gateway.drain({ minimumMs: 0, timeoutMs: 1000 })
  await it.gateway.flushLogs(1000)
  const text = readFileSync(log, 'utf8')
  for (const secret of ['alice', 'someone', 'team-a', 'gpt-4.1', 'authenticated_entity'])
    expect(text).not.toContain(secret)
  const line: unknown = JSON.parse(text)
  expect(line).toMatchObject({
    consumer: { id: expect.stringMatching(/^[\da-f]{16}$/), tags: [] },
    request: {
      headers: {
        'x-user': expect.stringMatching(/^[\da-f]{16}$/),
        'user-agent': 'REDACTED',
        'x-key': 'REDACTED',
      },
    },
    ai: { model: expect.stringMatching(/^[\da-f]{16}$/) },
  })
  expect(line).not.toHaveProperty('client_ip')
})

test('an answer from the cache has a record with what it saved, and costs nothing', async () => {
  await using it = await givenAiGateway({
    plugins: 'plugins:\n- {name: proxy-cache, config: {strategy: memory, request_method: [POST]}}',
    environment: { PRATU_JOURNAL_DIR: directory },
  })
  for (let i = 0; i < 2; i++) await (await fetch(`${it.url}/v1/chat`, chat())).text()
  await it.gateway.drain({ minimumMs: 0, timeoutMs: 1000 })
  const [made, given] = await records()
  expect([made?.cached, given?.cached]).toEqual([false, true])
  expect(given).toMatchObject({
    usage: undefined,
    saved: {
      promptTokens: made?.usage?.inputUncached,
      completionTokens: made?.usage?.outputText,
      nanoDollars: made?.costNanoDollars,
    },
  })
})
