/** The usage journal in a real Redis: once each, through outages and restarts (F77, F78). */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import {
  createStreamJournal,
  readStream,
  type Journal,
  type StreamJournalOptions,
} from '../../packages/gateway/src/journal/index.ts'
import { givenRecord } from '../../packages/gateway/src/journal/testing/given-record.ts'
import { createSilentLogger, SHOW_ALL } from '../../packages/gateway/src/observe/index.ts'
import { parseRedisUrl, RedisConnection } from '../../packages/gateway/src/redis/index.ts'
import { givenGateway } from '../gateway.ts'
import { givenAiLimited } from '../limits/ai-limited.ts'
import { startRedis, until, type RedisServer } from '../limits/redis-server.ts'

const STREAM = 'pratu:journal'
let redis: RedisServer
let directory = ''
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'pratu-spool-'))
  redis = await startRedis()
})
afterEach(async () => {
  await redis[Symbol.asyncDispose]()
  rmSync(directory, { recursive: true, force: true })
})

function connect(timeoutMs = 500): RedisConnection {
  const settings = parseRedisUrl(`redis://127.0.0.1:${redis.port}`, timeoutMs)
  if (settings === undefined) throw new Error('no such Redis')
  return new RedisConnection({ settings, log: createSilentLogger() })
}

function given(options: Partial<StreamJournalOptions> = {}): {
  journal: Journal
  dropped: () => number
} {
  let dropped = 0
  const journal = createStreamJournal({
    connection: connect(),
    stream: STREAM,
    sync: '1s',
    writer: crypto.randomUUID(),
    retention: { maxRecords: 1e6, maxAgeMs: 1e12 },
    spoolDirectory: directory,
    replays: true,
    maxWaitingBytes: 1e6,
    rule: SHOW_ALL,
    logger: createSilentLogger(),
    events: {
      onWritten: () => undefined,
      onDropped: (records) => {
        dropped += records
      },
    },
    gatherMs: 1,
    retryMs: 50,
    ...options,
  })
  return { journal, dropped: () => dropped }
}

async function idsInStream(): Promise<string[]> {
  const connection = connect(5000)
  const ids: string[] = []
  try {
    expect(await readStream(connection, STREAM, ({ id }) => ids.push(id))).toBe(0)
  } finally {
    connection.close()
  }
  return ids
}

const numbered = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, i) => `r${from + i}`)

test('records are there once, in order, more than a page of them', async () => {
  const { journal } = given()
  const ids = numbered(0, 2500)
  for (const id of ids) journal.append(givenRecord({ id }))
  await journal.close(5000)
  expect(await idsInStream()).toEqual(ids)
})

test('F78 while Redis is frozen records wait; what was sent without an answer is there once', async () => {
  const { journal, dropped } = given()
  journal.append(givenRecord({ id: 'r0' }))
  await journal.flush(2000)
  redis.signal('SIGSTOP')
  for (const id of numbered(1, 300)) journal.append(givenRecord({ id }))
  await until('the journal fails', () => journal.failing)
  for (const id of numbered(300, 400)) journal.append(givenRecord({ id }))
  expect(journal.waitingBytes).toBeGreaterThan(0)
  redis.signal('SIGCONT')
  await until('everything is written', () => journal.waitingBytes === 0)
  await journal.close(2000)
  expect(await idsInStream()).toEqual(numbered(0, 400))
  expect(dropped()).toBe(0)
})

test('what cannot be sent before the end waits in a file, and the next process sends it', async () => {
  const first = given()
  first.journal.append(givenRecord({ id: 'r0' }))
  await first.journal.flush(2000)
  redis.signal('SIGSTOP')
  for (const id of numbered(1, 300)) first.journal.append(givenRecord({ id }))
  await until('the journal fails', () => first.journal.failing)
  await first.journal.close(10)
  expect(first.dropped()).toBe(0)
  expect(readdirSync(directory)).toHaveLength(1)
  redis.signal('SIGCONT')

  const second = given()
  await until('the file is gone', () => readdirSync(directory).length === 0)
  await second.journal.close(2000)
  expect(await idsInStream()).toEqual(numbered(0, 300))
})

test('without a place for them they are counted as lost', async () => {
  await redis.kill()
  const { journal, dropped } = given({ spoolDirectory: undefined })
  for (const id of numbered(0, 10)) journal.append(givenRecord({ id }))
  await journal.close(50)
  expect(dropped()).toBe(10)
})

test('with sync always whoever waits goes on when the record is in Redis', async () => {
  const { journal } = given({ sync: 'always' })
  await until('Redis is there', async () => (await idsInStream()).length === 0)
  await journal.flush(1000)
  await new Promise<void>((resolve) => {
    journal.appendThen(givenRecord({ id: 'held' }), resolve)
  })
  expect(await idsInStream()).toEqual(['held'])
  await journal.close(1000)
})

test('old records go', async () => {
  const { journal } = given({ retention: { maxRecords: 1000, maxAgeMs: 1e12 } })
  for (const id of numbered(0, 3000)) journal.append(givenRecord({ id }))
  await journal.close(5000)
  const kept = await idsInStream()
  expect(kept.length).toBeLessThan(1300)
  expect(kept.at(-1)).toBe('r2999')
})

test.each(['1', '2'])(
  'a gateway with %s workers writes there, and counts its budgets again from there',
  async (workers) => {
    const environment = {
      PRATU_JOURNAL_REDIS_URL: `redis://127.0.0.1:${redis.port}`,
      PRATU_WORKERS: workers,
    }
    await using before = await givenAiLimited({
      limits:
        '{name: tokens, quantity: total_tokens, limit: 100000, window: day, by: everything, reserve_output: 10}',
      environment,
    })
    const ids: (string | null)[] = []
    let tokens = 0
    for (let i = 0; i < 4; i++) {
      const answer = await before.ask()
      const { usage } = (await answer.json()) as { usage: { total_tokens: number } }
      tokens += usage.total_tokens
      ids.push(answer.headers.get('x-kong-request-id'))
    }
    await before.gateway.drain({ minimumMs: 0, timeoutMs: 1000 })
    expect(new Set(await idsInStream())).toEqual(new Set(ids))

    await using after = await givenGateway({ configuration: before.configuration, environment })
    const shown = (await (await fetch(`${after.adminUrl}/limits?scope=everything`)).json()) as {
      data: { id: string; scopes: { used: number }[] }[]
    }
    const budget = shown.data.find(({ id }) => id.startsWith('ai-limits:'))
    expect(budget?.scopes[0]?.used).toBe(tokens)
  },
)
