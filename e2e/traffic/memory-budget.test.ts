import { expect, test } from 'vitest'
import { givenTraffic, openRaw, rawChat, readAll, until, type GivenTraffic } from './support.ts'

const LARGE = 'x'.repeat(200_000)
const PROMPT = { messages: [{ role: 'user', content: `tokens:5 ${LARGE}` }] }

/** What each path does; whether anything was held on the way is asserted where it can be seen. */
const PATHS: readonly [path: string, go: (given: GivenTraffic) => Promise<void>][] = [
  ['a complete answer', async (given) => void (await readAll(await given.ask(PROMPT)))],
  ['a stream', async (given) => void (await readAll(await given.ask({ ...PROMPT, stream: true })))],
  ['a short body', async (given) => void (await readAll(await given.ask(PROMPT, 'short-body')))],
  ['no answer', async (given) => void (await readAll(await given.ask(PROMPT, 'hang')))],
  [
    'an answer that stalls in the middle',
    async (given) => void (await readAll(await given.ask(PROMPT, 'hang=half'))),
  ],
  [
    'a stream that stalls inside of an event',
    async (given) => {
      const fault = 'huge-event=300000; hang=after-bytes:200000'
      await readAll(await given.ask({ ...PROMPT, stream: true }, fault))
    },
  ],
  [
    'an answer too large to hold',
    async (given) => void (await readAll(await given.ask(PROMPT, 'size=9000000'))),
  ],
  [
    'a provider that resets',
    async (given) => void (await readAll(await given.ask(PROMPT, 'reset=before-headers'))),
  ],
  [
    'a client that leaves while its answer is held',
    async (given) => {
      await using client = await openRaw(given.port)
      client.send(rawChat(PROMPT, { 'x-simulator-fault': 'size=2000000; hang=half' }))
      await until(async () => (await given.metric('pratu_memory_buffer_bytes')) > 900_000, 'held')
      client.socket.resetAndDestroy()
    },
  ],
  [
    'a client that leaves inside of an event',
    async (given) => {
      await using client = await openRaw(given.port)
      const fault = 'huge-event=1000000; hang=after-bytes:900000'
      client.send(rawChat({ ...PROMPT, stream: true }, { 'x-simulator-fault': fault }))
      await until(async () => (await given.metric('pratu_memory_buffer_bytes')) > 800_000, 'held')
      client.socket.resetAndDestroy()
    },
  ],
  [
    'a client that leaves in the middle of its request',
    async (given) => {
      await using client = await openRaw(given.port)
      client.send(rawChat(PROMPT).slice(0, 150_000))
      await until(async () => (await given.metric('pratu_memory_buffer_bytes')) > 100_000, 'held')
      client.socket.resetAndDestroy()
    },
  ],
  [
    'a request that is too slow',
    async (given) => {
      await using client = await openRaw(given.port)
      client.send(rawChat(PROMPT).slice(0, 150_000))
      expect((await client.response()).status).toBe(408)
    },
  ],
  [
    'a request that is refused',
    async (given) => {
      const answer = await fetch(`${given.url}/elsewhere`, { method: 'POST', body: LARGE })
      expect(answer.status).toBe(404)
      await answer.text()
    },
  ],
]

test.each(PATHS)('what is held is given back after %s', async (_path, go) => {
  await using given = await givenTraffic({ environment: { PRATU_BODY_TIMEOUT: '300ms' } })
  await go(given)
  await given.quiet()
  // The next one is served as if nothing had been.
  expect((await given.ask()).status).toBe(200)
})

test('F52 when all of it is taken: 503 that says when to come back, and nothing lost afterwards', async () => {
  await using given = await givenTraffic({ environment: { PRATU_BUFFER_SIZE: '1m' } })
  await using holder = await openRaw(given.port)
  const body = { messages: [{ role: 'user', content: 'x'.repeat(900_000) }] }
  holder.send(rawChat(body, { 'x-simulator-fault': 'hang' }))
  await given.simulator.waitForRequest()
  const refused = await given.ask({ messages: [{ role: 'user', content: LARGE }] })
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '1'])
  expect(await refused.json()).toMatchObject({ error: { code: 'overloaded' } })
  holder.destroy()
  await given.quiet()
  const answer = await given.ask({ messages: [{ role: 'user', content: LARGE }] })
  expect(answer.status).toBe(200)
})
