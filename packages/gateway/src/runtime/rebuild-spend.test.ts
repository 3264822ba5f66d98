import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Meter, MeterDefinition } from '@pratu/plugin-kit'
import { createReferenceLedger, TestClock } from '@pratu/plugin-kit/testing'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createFileJournal, type Charge } from '../journal/index.ts'
import { givenRecord } from '../journal/testing/given-record.ts'
import { createSilentLogger, SHOW_ALL } from '../observe/index.ts'
import { rebuildSpend, segmentReader } from './rebuild-spend.ts'

const NOON = Date.UTC(2026, 4, 12, 12)
const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

let directory = ''
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'pratu-rebuild-'))
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

interface Spent {
  readonly atMs: number
  readonly charges?: readonly Charge[]
  readonly reset?: string
}

async function write(...all: readonly Spent[]): Promise<void> {
  const journal = createFileJournal({
    directory,
    sync: 'never',
    writer: 'w',
    retention: { maxBytes: 1e9, maxAgeMs: 1e12 },
    prunes: false,
    maxWaitingBytes: 1e6,
    rule: SHOW_ALL,
    logger: createSilentLogger(),
    events: { onWritten: () => undefined, onDropped: () => undefined },
  })
  for (const { atMs, charges = [], reset } of all) {
    const resets = reset === undefined ? [] : [{ meter: 'budget', scope: reset }]
    journal.append(givenRecord({ atMs, charges, resets }))
  }
  await journal.close(1000)
}

const charge = (scope: string, amount: number, meter = 'budget'): Charge => ({
  meter,
  scope,
  amount,
})

/** What the meters say after a restart at noon. */
async function rebuilt(more: Partial<MeterDefinition> = {}) {
  const warnings: string[] = []
  const ledger = createReferenceLedger(new TestClock(NOON))
  const meters = new Map<string, Meter>()
  const define = (id: string, given: Partial<MeterDefinition> = {}): Meter => {
    const meter = ledger.meter({
      id,
      quantity: 'nano_dollars',
      window: { kind: 'calendar', period: 'day' },
      limit: 1000,
      ...given,
    })
    meters.set(id, meter)
    return meter
  }
  const budget = define('budget', more)
  const requests = define('requests', { quantity: 'requests' })
  await rebuildSpend({
    read: segmentReader(directory, createSilentLogger()),
    ledger,
    meters,
    nowMs: NOON,
    retentionMs: 35 * DAY_MS,
    logger: { ...createSilentLogger(), warn: (message) => warnings.push(message) },
  })
  const used = async (scope: string, meter = budget) => (await ledger.peek(meter, scope)).used
  return { used, requests, warnings }
}

test('F64 T12 after a restart a budget is where it was, for every scope', async () => {
  await write(
    { atMs: NOON - 3 * DAY_MS, charges: [charge('alice', 500)] },
    { atMs: NOON - HOUR_MS, charges: [charge('alice', 7), charge('bob', 2)] },
    { atMs: NOON - 1, charges: [charge('alice', 5), charge('gone', 5, 'no longer there')] },
  )
  const { used } = await rebuilt()
  expect([await used('alice'), await used('bob'), await used('carol')]).toEqual([12, 2, 0])
})

test('requests are no spend: they begin anew', async () => {
  await write({ atMs: NOON - 1, charges: [charge('alice', 5, 'requests')] })
  const { used, requests } = await rebuilt()
  expect(await used('alice', requests)).toBe(0)
})

test('what is counted in Redis is not counted again', async () => {
  await write({ atMs: NOON - 1, charges: [charge('alice', 5)] })
  const store = {
    kind: 'redis',
    redis: {
      topology: 'single',
      nodes: [],
      username: undefined,
      password: undefined,
      database: 0,
      tls: undefined,
      timeoutMs: 100,
    },
    onFailure: 'allow',
    counting: 'admitted',
    syncSeconds: undefined,
  } as const
  expect(await (await rebuilt({ store })).used('alice')).toBe(0)
})

test('what an administrator has reset stays reset, wherever that stands in the files', async () => {
  await write({ atMs: NOON - 100, reset: 'alice' })
  await write(
    { atMs: NOON - 200, charges: [charge('alice', 500), charge('bob', 3)] },
    { atMs: NOON - 50, charges: [charge('alice', 4)] },
  )
  const { used } = await rebuilt()
  expect([await used('alice'), await used('bob')]).toEqual([4, 3])
})

test('a budget that lasts longer than records are kept is told', async () => {
  const { warnings } = await rebuilt({ window: { kind: 'calendar', period: 'year' } })
  expect(warnings).toHaveLength(1)
  expect((await rebuilt()).warnings).toEqual([])
})

test('without a directory there is nothing to count', async () => {
  rmSync(directory, { recursive: true })
  expect(await (await rebuilt()).used('alice')).toBe(0)
})
