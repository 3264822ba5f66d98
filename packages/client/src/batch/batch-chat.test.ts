import { createServer, type AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { PratuClient, type BatchProgress } from '../node.ts'
import { answerJson, completion, givenServer, HELLO } from '../testing/given-server.ts'
import { recordingClock } from '../testing/recording-clock.ts'
import { AdaptiveLimit } from './adaptive-limit.ts'

const requests = (count: number): (typeof HELLO & { readonly user: string })[] =>
  Array.from({ length: count }, (_, index) => ({ ...HELLO, user: String(index) }))

const userOf = (body: string): string => /"user":"(\d+)"/.exec(body)?.[1] ?? ''

test('the server sees at most 50 requests at once; results and errors come together, in order', async () => {
  await using server = await givenServer(async (response, { body }) => {
    const user = userOf(body)
    await server.until(() => server.requests.length >= 50)
    if (Number(user) % 7 === 3) answerJson(response, 400, { error: { message: `no ${user}` } })
    else answerJson(response, 200, completion(user))
  })
  await using client = new PratuClient({ gatewayUrl: server.url })
  const seen: BatchProgress[] = []
  const results = await client.batchChat(requests(400), { onProgress: (now) => seen.push(now) })
  expect(server.mostAtOnce).toBe(50)
  expect(
    results.map((result) =>
      result.status === 'fulfilled'
        ? result.value.choices[0]?.message.content
        : result.reason.message,
    ),
  ).toEqual(Array.from({ length: 400 }, (_, i) => (i % 7 === 3 ? `400 no ${i}` : String(i))))
  expect(seen[0]).toMatchObject({ total: 400, succeeded: 0, failed: 0 })
  expect(seen.at(-1)).toMatchObject({ total: 400, succeeded: 343, failed: 57, inFlight: 0 })
})

test('a 429 lowers what is under way, holds what is new as long as asked, and is made good by a retry', async () => {
  let refused = 0
  await using server = await givenServer((response, { body }) => {
    if (refused < 20) {
      refused++
      answerJson(response, 429, {}, { 'retry-after-ms': '30' })
    } else answerJson(response, 200, completion(userOf(body)))
  })
  await using client = new PratuClient({ gatewayUrl: server.url })
  const limits: number[] = []
  const results = await client.batchChat(requests(100), {
    concurrency: 20,
    onProgress: ({ limit }) => limits.push(limit),
  })
  expect(results.every(({ status }) => status === 'fulfilled')).toBe(true)
  expect(Math.min(...limits)).toBeLessThanOrEqual(10)
  expect(limits.at(-1)).toBeGreaterThan(Math.min(...limits))
})

test('AIMD: refusals of one burst halve the limit once, successes raise it by one a round', () => {
  const limit = new AdaptiveLimit(50, true)
  for (let i = 0; i < 50; i++) limit.refused(0, 10, undefined)
  expect(limit.limit).toBe(25)
  limit.refused(11, 12, 500)
  expect([limit.limit, limit.notBefore]).toEqual([12, 512])
  for (let i = 0; i < 14; i++) limit.succeeded()
  expect(limit.limit).toBe(13)
  for (let i = 0; i < 10; i++) limit.refused(100 + i, 100 + i, undefined)
  expect(limit.limit).toBe(1)
  for (let i = 0; i < 5_000; i++) limit.succeeded()
  expect(limit.limit).toBe(50)
})

test('a dead gateway ends the batch with the error of the first item that used up its retries', async () => {
  const closed = createServer()
  await new Promise<void>((resolve) => closed.listen(0, '127.0.0.1', resolve))
  const { port } = closed.address() as AddressInfo
  await new Promise((resolve) => closed.close(resolve))
  await using client = new PratuClient({
    gatewayUrl: `http://127.0.0.1:${port}`,
    clock: recordingClock(),
  })
  const results = await client.batchChat(requests(500), { concurrency: 5 })
  const reasons = new Set(
    results.map((result) => (result.status === 'rejected' ? result.reason : undefined)),
  )
  expect(results).toHaveLength(500)
  expect([...reasons].map((reason) => reason?.kind)).toEqual(['connection'])
  expect(client.usage.failedCalls).toBeLessThanOrEqual(5)
})

test('an aborted batch keeps what is answered; the rest is cancelled', async () => {
  await using server = await givenServer((response, { nth, body }) => {
    if (nth <= 10) answerJson(response, 200, completion(userOf(body)))
  })
  await using client = new PratuClient({ gatewayUrl: server.url })
  const abort = new AbortController()
  const batch = client.batchChat(requests(40), { concurrency: 5, signal: abort.signal })
  await server.until(() => server.requests.length === 15)
  abort.abort()
  const results = await batch
  const kinds = results.map((one) => (one.status === 'fulfilled' ? 'ok' : one.reason.kind))
  expect(kinds.filter((kind) => kind === 'ok')).toHaveLength(10)
  expect(kinds.filter((kind) => kind === 'cancelled')).toHaveLength(30)
  expect(server.requests).toHaveLength(15)
})

test('an empty batch, and a concurrency that makes no sense', async () => {
  await using client = new PratuClient()
  expect(await client.batchChat([])).toEqual([])
  await expect(client.batchChat([], { concurrency: 0 })).rejects.toThrow('concurrency')
})
