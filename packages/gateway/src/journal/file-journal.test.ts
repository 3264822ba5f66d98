import {
  appendFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { createFieldRule, createSilentLogger, SHOW_ALL } from '../observe/index.ts'

import { createFileJournal, type FileJournalOptions } from './file-journal.ts'
import { parseLine, toLine } from './frame.ts'
import type { Journal } from './journal.ts'
import { readSegments } from './read-segments.ts'
import { pruneSegments, SEGMENT_MS } from './segments.ts'
import { givenRecord } from './testing/given-record.ts'
import type { UsageRecord } from './usage-record.ts'

let directory = ''
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'pratu-journal-'))
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

interface Given {
  readonly journal: Journal
  readonly written: () => number
  readonly dropped: () => number
}

function given(options: Partial<FileJournalOptions> = {}): Given {
  let written = 0
  let dropped = 0
  const journal = createFileJournal({
    directory,
    sync: 'never',
    writer: 'host-0.0',
    retention: { maxBytes: 1e9, maxAgeMs: 1e12 },
    prunes: false,
    maxWaitingBytes: 1e6,
    rule: SHOW_ALL,
    logger: createSilentLogger(),
    events: {
      onWritten: (records) => {
        written += records
      },
      onDropped: (records) => {
        dropped += records
      },
    },
    gatherMs: 1,
    retryMs: 10,
    ...options,
  })
  return { journal, written: () => written, dropped: () => dropped }
}

async function readAll(): Promise<{ ids: string[]; torn: number; damaged: number }> {
  const ids: string[] = []
  const { torn, damaged } = await readSegments(directory, ({ id }) => ids.push(id))
  return { ids, torn, damaged }
}

describe('a record', () => {
  const name = fc.option(fc.string({ maxLength: 40 }), { nil: undefined })
  const count = fc.nat()
  const record: fc.Arbitrary<UsageRecord> = fc.record({
    id: fc.string(),
    startedAtMs: count,
    atMs: count,
    replica: fc.string({ maxLength: 40 }),
    outcome: fc.string(),
    status: count,
    consumer: name,
    credential: name,
    tags: fc.array(fc.string()),
    route: name,
    service: name,
    provider: name,
    model: name,
    usage: fc.option(
      fc.record({
        inputUncached: count,
        cacheRead: count,
        cacheWrite: count,
        cacheWriteLong: count,
        audioInput: count,
        outputText: count,
        reasoning: count,
        audioOutput: count,
        webSearches: count,
        serviceTier: name,
        source: fc.constantFrom('provider', 'estimated', 'none'),
      }),
      { nil: undefined },
    ),
    costNanoDollars: fc.option(count, { nil: undefined }),
    costEstimated: fc.boolean(),
    streamed: fc.boolean(),
    cached: fc.boolean(),
    saved: fc.option(
      fc.record({
        promptTokens: count,
        completionTokens: count,
        nanoDollars: fc.option(count, { nil: undefined }),
      }),
      { nil: undefined },
    ),
    charges: fc.array(fc.record({ meter: fc.string(), scope: fc.string(), amount: count })),
    resets: fc.array(fc.record({ meter: fc.string(), scope: fc.string() })),
  })

  test('is read as it was written', () => {
    fc.assert(
      fc.property(record, (one) => {
        expect(parseLine(Buffer.from(toLine(one, SHOW_ALL)))).toEqual(one)
      }),
    )
  })

  test('F57 of which a part is missing, or a byte has changed, is none', () => {
    fc.assert(
      fc.property(record, fc.nat(), fc.integer({ min: 1, max: 255 }), (one, place, change) => {
        const line = Buffer.from(toLine(one, SHOW_ALL))
        expect(parseLine(line.subarray(0, place % line.length))).toBeUndefined()
        const changed = Buffer.from(line)
        const at = place % line.length
        changed[at] = (changed[at] ?? 0) ^ change
        expect(parseLine(changed)).toBeUndefined()
      }),
    )
  })

  test('is one line of JSON for any other program', () => {
    const parsed: unknown = JSON.parse(
      toLine(givenRecord({ id: 'r1', costNanoDollars: 5 }), SHOW_ALL),
    )
    expect(parsed).toMatchObject({ v: 1, id: 'r1', cost_nano_dollars: 5 })
  })

  test('S47 has no room for text: names of clients are cut', () => {
    const line = toLine(givenRecord({ model: 'prompt '.repeat(1000) }), SHOW_ALL)
    expect(line.length).toBeLessThan(1000)
  })

  test('S47 shows a redacted field as its hash or not at all', () => {
    const rule = createFieldRule(
      new Map([
        ['consumer', 'hash'],
        ['credential', 'drop'],
        ['charges', 'drop'],
        ['tags', 'hash'],
      ]),
      'key',
    )
    const line = toLine(
      givenRecord({
        consumer: 'alice',
        credential: 'alice-1',
        tags: ['team'],
        charges: [{ meter: 'm', scope: 'alice', amount: 1 }],
      }),
      rule,
    )
    expect(line).not.toMatch(/alice|team/)
    const read = parseLine(Buffer.from(line))
    expect(read?.consumer).toMatch(/^[\da-f]{16}$/)
    expect(read?.tags[0]).toMatch(/^[\da-f]{16}$/)
    expect([read?.credential, read?.charges]).toEqual([undefined, []])
  })
})

describe('F77 records in files', () => {
  test.each(['always', '1s', 'never'] as const)('with sync %s all are there once', async (sync) => {
    const { journal, written } = given({ sync })
    const ids = Array.from({ length: 500 }, (_, i) => `r${i}`)
    for (const id of ids) journal.append(givenRecord({ id }))
    await journal.close(1000)
    expect(await readAll()).toEqual({ ids, torn: 0, damaged: 0 })
    expect(written()).toBe(500)
  })

  test('with sync always whoever waits goes on when its record is in the file', async () => {
    const { journal } = given({ sync: 'always' })
    expect(journal.holdsAnswers).toBe(true)
    await new Promise<void>((resolve) => {
      journal.appendThen(givenRecord({ id: 'held' }), resolve)
    })
    expect((await readAll()).ids).toEqual(['held'])
    await journal.close(100)
  })

  test('what a process left behind is not appended to, and its torn end is left out', async () => {
    const first = given()
    first.journal.append(givenRecord({ id: 'whole' }))
    await first.journal.close(1000)
    const [name = ''] = readdirSync(directory)
    const torn = toLine(givenRecord({ id: 'torn' }), SHOW_ALL).slice(0, -5)
    appendFileSync(join(directory, name), torn)
    const second = given()
    second.journal.append(givenRecord({ id: 'next' }))
    await second.journal.close(1000)
    expect(await readAll()).toEqual({ ids: ['whole', 'next'], torn: 1, damaged: 0 })
  })

  test('a damaged line is counted and left out, those around it are read', async () => {
    const { journal } = given()
    for (const id of ['a', 'b', 'c']) journal.append(givenRecord({ id }))
    await journal.close(1000)
    const path = join(directory, readdirSync(directory)[0] ?? '')
    writeFileSync(path, readFileSync(path, 'utf8').replace('"id":"b"', '"id":"x"'))
    expect(await readAll()).toEqual({ ids: ['a', 'c'], torn: 0, damaged: 1 })
  })

  test('only charges since a time are read when only they are asked for', async () => {
    const { journal } = given()
    const charges = [{ meter: 'm', scope: 's', amount: 7 }]
    journal.append(givenRecord({ id: 'old', atMs: 10, charges }))
    journal.append(givenRecord({ id: 'free', atMs: 30 }))
    journal.append(givenRecord({ id: 'paid', atMs: 30, charges }))
    await journal.close(1000)
    const found: UsageRecord[] = []
    await readSegments(directory, (record) => found.push(record), {
      sinceMs: 20,
      only: 'charges',
    })
    expect(found.map(({ id, charges: paid }) => [id, paid])).toEqual([['paid', charges]])
  })
})

describe('F57 a disk that fails', () => {
  test('records wait and are written when it is back; whoever waits is let go', async () => {
    const blocked = join(directory, 'gone')
    writeFileSync(blocked, 'a file where the directory should be')
    const { journal, written, dropped } = given({ directory: blocked, sync: 'always' })
    await new Promise<void>((resolve) => {
      journal.appendThen(givenRecord({ id: 'a' }), resolve)
    })
    expect([journal.failing, written(), dropped()]).toEqual([true, 0, 0])
    let released = false
    journal.appendThen(givenRecord({ id: 'b' }), () => {
      released = true
    })
    expect(released).toBe(true)
    rmSync(blocked)
    await vi.waitFor(() => expect(journal.failing).toBe(false))
    await journal.close(1000)
    const ids: string[] = []
    await readSegments(blocked, ({ id }) => ids.push(id))
    expect(ids).toEqual(['a', 'b'])
  })

  test('F78 what does not fit into memory is dropped and counted; nobody waits', async () => {
    const blocked = join(directory, 'gone')
    writeFileSync(blocked, '')
    const { journal, dropped } = given({ directory: blocked, maxWaitingBytes: 2000 })
    for (let i = 0; i < 100; i++) journal.append(givenRecord({ id: `r${i}` }))
    expect(journal.waitingBytes).toBeLessThanOrEqual(2000)
    const beforeEnd = dropped()
    expect(beforeEnd).toBeGreaterThan(50)
    await journal.close(50)
    expect(dropped()).toBe(100)
  })

  test('a batch that was written half is overwritten by its next try', async () => {
    const { journal, dropped } = given({ retryMs: 5 })
    journal.append(givenRecord({ id: 'first' }))
    await journal.flush(1000)
    const probe = await open(join(directory, readdirSync(directory)[0] ?? ''), 'r')
    const prototype = Object.getPrototypeOf(probe) as { write: (...args: unknown[]) => unknown }
    await probe.close()
    const { write } = prototype
    let failures = 0
    const spy = vi.spyOn(prototype, 'write').mockImplementation(async function (
      this: unknown,
      ...args: unknown[]
    ) {
      if (failures++ > 0) return write.apply(this, args)
      await write.apply(this, [args[0], args[1], 20, args[3]])
      throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })
    })
    journal.append(givenRecord({ id: 'second' }))
    await vi.waitFor(() => expect(failures).toBeGreaterThan(1))
    spy.mockRestore()
    await journal.close(1000)
    expect(await readAll()).toEqual({ ids: ['first', 'second'], torn: 0, damaged: 0 })
    expect(dropped()).toBe(0)
  })
})

describe('size and age', () => {
  test('a full segment is followed by the next, and the oldest go first', async () => {
    const { journal } = given({ retention: { maxBytes: 1, maxAgeMs: 1e12 }, sync: 'always' })
    for (let i = 0; i < 1200; i++) journal.append(givenRecord({ id: `r${i}` }))
    await journal.flush(2000)
    journal.append(givenRecord({ id: 'more' }))
    await journal.close(2000)
    expect(readdirSync(directory)).toHaveLength(2)
    await pruneSegments(directory, { maxBytes: 1, maxAgeMs: 1e12 }, Date.now())
    expect(await readAll()).toEqual({ ids: ['more'], torn: 0, damaged: 0 })
  })

  test('what is older than the retention goes; what may be written to stays', async () => {
    const { journal } = given()
    journal.append(givenRecord({ id: 'r' }))
    await journal.flush(1000)
    const retention = { maxBytes: 1e9, maxAgeMs: 1000 }
    expect(await pruneSegments(directory, retention, Date.now() + 60_000)).toEqual([])
    const later = Date.now() + 2 * SEGMENT_MS
    expect(await pruneSegments(directory, retention, later)).toHaveLength(1)
    expect(readdirSync(directory)).toEqual([])
    await journal.close(100)
  })
})
