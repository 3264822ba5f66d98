import { createReferenceCache, TestClock } from '@pratu/plugin-kit/testing'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MemoryCache } from './index.ts'

const MIB = 1024 * 1024
const HOUR = { keepMs: 3_600_000, freshMs: 60_000 }
const HEAD = { status: 200, headers: ['Content-Type', 'text/plain'] }

function start(maxBytes = MIB, maxEntryBytes?: number) {
  const clock = new TestClock()
  const cache = new MemoryCache({
    maxBytes,
    clock,
    ...(maxEntryBytes === undefined ? {} : { maxEntryBytes }),
  })
  return { clock, cache }
}

function store(
  cache: MemoryCache,
  key: string,
  body: string | Uint8Array,
  owner = 'owner',
): boolean {
  const writer = cache.open(owner, key, HEAD)
  if (writer === undefined) return false
  writer.write(Buffer.from(body))
  return writer.commit(HOUR)
}

const bodyOf = (cache: MemoryCache, key: string, owner = 'owner'): string | undefined => {
  const found = cache.read(owner, key)
  return found && Buffer.from(found.body).toString()
}

describe('what is kept comes back', () => {
  test('status, fields in order, body, age and moment of storing', () => {
    const { cache, clock } = start()
    const headers = ['Content-Type', 'text/plain', 'X-Empty', '', 'x-Name', 'zwölf €']
    const writer = cache.open('owner', 'key', { status: 404, headers })
    writer?.write(Buffer.from('one, '))
    writer?.write(Buffer.from('two'))
    expect(writer?.commit({ keepMs: 10_000, freshMs: 4_000 })).toBe(true)
    const storedAtMs = clock.now()
    clock.advance(1_500)

    const { body, ...rest } = cache.read('owner', 'key') ?? {}
    expect(Buffer.from(body ?? []).toString()).toBe('one, two')
    expect(rest).toEqual({
      status: 404,
      headers,
      ageMs: 1_500,
      freshMs: 4_000,
      storedAtMs,
      mark: 0,
    })
  })

  test('an answer without fields and without a body', () => {
    const { cache } = start()
    cache.open('owner', 'key', { status: 204, headers: [] })?.commit(HOUR)
    expect(cache.read('owner', 'key')).toMatchObject({ status: 204, headers: [] })
    expect(bodyOf(cache, 'key')).toBe('')
  })

  test('a body over many pages, in chunks of any size, and changed by nobody afterwards', () => {
    const { cache } = start(4 * MIB)
    const body = Buffer.alloc(150_000, 'abcdefghij')
    const writer = cache.open('owner', 'key', HEAD)
    for (let at = 0, size = 1; at < body.length; at += size, size = (size * 7) % 4_099) {
      const chunk = Buffer.from(body.subarray(at, at + size))
      writer?.write(chunk)
      chunk.fill('!')
    }
    writer?.commit(HOUR)
    const first = cache.read('owner', 'key')
    first?.body.fill(0)
    expect(bodyOf(cache, 'key')).toBe(body.toString())
  })

  test('a newer answer under the same key replaces the older', () => {
    const { cache } = start()
    store(cache, 'key', 'old')
    store(cache, 'key', 'new')
    expect(bodyOf(cache, 'key')).toBe('new')
    expect(cache.usage().entries).toBe(1)
  })

  test('an answer is gone when its time is up, by the monotonic clock alone', () => {
    const { cache, clock } = start()
    store(cache, 'key', 'body')
    clock.jump(24 * 3_600_000)
    expect(bodyOf(cache, 'key')).toBe('body')
    clock.advance(HOUR.keepMs - 1)
    expect(bodyOf(cache, 'key')).toBe('body')
    clock.advance(1)
    expect(bodyOf(cache, 'key')).toBeUndefined()
    expect(cache.usage()).toMatchObject({ entries: 0, usedBytes: 0 })
  })

  test('an answer that is never completed is never seen, and its memory comes back (F75)', () => {
    const { cache } = start()
    const writer = cache.open('owner', 'key', HEAD)
    writer?.write(Buffer.from('half of it'))
    expect(bodyOf(cache, 'key')).toBeUndefined()
    writer?.abandon()
    expect(writer?.write(Buffer.from('late'))).toBe(false)
    expect(writer?.commit(HOUR)).toBe(false)
    expect(bodyOf(cache, 'key')).toBeUndefined()
    expect(cache.usage()).toMatchObject({ entries: 0, usedBytes: 0 })
  })

  test('committing twice keeps one entry', () => {
    const { cache } = start()
    const writer = cache.open('owner', 'key', HEAD)
    expect([writer?.commit(HOUR), writer?.commit(HOUR)]).toEqual([true, false])
    expect(cache.usage().entries).toBe(1)
  })
})

describe('owners are kept apart (S31)', () => {
  test('the same key of another owner is another entry, whatever the names look like', () => {
    const { cache } = start()
    const pairs: [owner: string, key: string][] = [
      ['a', 'bc'],
      ['ab', 'c'],
      ['', 'abc'],
      ['a:b', 'c'],
      ['a', ':bc'],
      ['1:a', 'bc'],
    ]
    for (const [owner, key] of pairs) store(cache, key, JSON.stringify([owner, key]), owner)
    for (const [owner, key] of pairs)
      expect(bodyOf(cache, key, owner)).toBe(JSON.stringify([owner, key]))
  })

  test('purging by owner leaves the others, purging without a rule leaves nothing', () => {
    const { cache } = start()
    for (const owner of ['one', 'two', 'three']) {
      store(cache, 'x', 'body', owner)
      store(cache, 'y', 'body', owner)
    }
    expect(cache.purge((owner) => owner !== 'two')).toBe(4)
    expect([bodyOf(cache, 'x', 'one'), bodyOf(cache, 'x', 'two')]).toEqual([undefined, 'body'])
    expect(cache.purge()).toBe(2)
    expect(cache.usage()).toMatchObject({ entries: 0, usedBytes: 0 })
  })

  test('a purge in steps removes what was there at its start, whatever is read and stored meanwhile', () => {
    const { cache } = start()
    for (let i = 0; i < 500; i++) store(cache, `key-${i}`, 'old', i % 2 === 0 ? 'gone' : 'kept')
    const steps = cache.purgeInSteps((owner) => owner === 'gone')
    let taken = 0
    while (steps.next().done !== true) {
      taken++
      cache.read('kept', 'key-1')
      cache.delete('gone', `key-${taken * 2}`)
      store(cache, `later-${taken}`, 'new', 'kept')
    }
    expect(taken).toBeGreaterThan(1)
    for (let i = 0; i < 500; i++)
      expect(bodyOf(cache, `key-${i}`, i % 2 === 0 ? 'gone' : 'kept')).toBe(
        i % 2 === 0 ? undefined : 'old',
      )
    for (let i = 1; i <= taken; i++) expect(bodyOf(cache, `later-${i}`, 'kept')).toBe('new')
  })

  test('an owner that was purged may store again, and be purged again', () => {
    const { cache } = start()
    for (let i = 0; i < 2; i++) {
      store(cache, 'key', 'body')
      expect(cache.purge((owner) => owner === 'owner')).toBe(1)
      expect(cache.purge((owner) => owner === 'owner')).toBe(0)
    }
  })

  test('deleting tells whether there was something', () => {
    const { cache } = start()
    store(cache, 'key', 'body')
    expect([
      cache.delete('other', 'key'),
      cache.delete('owner', 'key'),
      cache.delete('owner', 'key'),
    ]).toEqual([false, true, false])
  })

  test('what is being written when its owner is purged is never stored', () => {
    const { cache } = start()
    const purged = cache.open('owner', 'key', HEAD)
    const kept = cache.open('other', 'key', HEAD)
    cache.purge((owner) => owner === 'owner')
    const deleted = cache.open('owner', 'other-key', HEAD)
    cache.delete('owner', 'other-key')
    expect([purged?.commit(HOUR), kept?.commit(HOUR), deleted?.commit(HOUR)]).toEqual([
      false,
      true,
      false,
    ])
  })

  test('keys longer than a page are told apart by their digest', () => {
    const { cache } = start()
    const [one, two] = ['k'.repeat(2_000), `${'k'.repeat(1_999)}x`]
    store(cache, one, 'one')
    store(cache, two, 'two')
    expect([bodyOf(cache, one), bodyOf(cache, two)]).toEqual(['one', 'two'])
  })
})

describe('the bound holds (F74)', () => {
  test('100,000 distinct answers stay within the bytes given, and the memory behind them does too', () => {
    const { cache } = start(2 * MIB)
    const before = process.memoryUsage().arrayBuffers
    let largest = 0
    for (let i = 0; i < 100_000; i++) {
      store(cache, `key-${i}`, 'x'.repeat(i % 3_000))
      largest = Math.max(largest, cache.usage().usedBytes)
    }
    expect(largest).toBeLessThanOrEqual(2 * MIB)
    expect(largest).toBeGreaterThan(1.9 * MIB)
    // Blocks, links and buckets; short-lived buffers of this test are in the figure as well.
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 * MIB + 16 * MIB)
  })

  test('the least recently used answer goes first', () => {
    const { cache } = start(64 * 1024)
    for (const key of ['a', 'b', 'c']) store(cache, key, 'x'.repeat(3_000))
    cache.read('owner', 'a')
    let entries = 0
    for (let i = 0; entries < cache.usage().entries; i++) {
      entries = cache.usage().entries
      store(cache, `more-${i}`, 'x'.repeat(3_000))
    }
    expect(['a', 'b', 'c'].map((key) => bodyOf(cache, key)?.length)).toEqual([
      3_000,
      undefined,
      3_000,
    ])
  })

  test('an answer above the cap of one entry is given up and takes nothing from the others', () => {
    const { cache } = start(MIB, 10_000)
    store(cache, 'small', 'body')
    const { usedBytes } = cache.usage()
    const writer = cache.open('owner', 'large', HEAD)
    expect(writer?.write(Buffer.alloc(9_000))).toBe(true)
    expect(writer?.write(Buffer.alloc(1_000))).toBe(false)
    expect(writer?.commit(HOUR)).toBe(false)
    expect(cache.usage().usedBytes).toBe(usedBytes)
    expect(bodyOf(cache, 'small')).toBe('body')
  })

  test('one entry takes at most a sixteenth of the memory', () => {
    const { cache } = start(MIB)
    expect(store(cache, 'key', Buffer.alloc(MIB / 16 - 1_000))).toBe(true)
    expect(store(cache, 'key', Buffer.alloc(MIB / 16))).toBe(false)
  })

  test('answers that are being written count, and push out what is stored but never each other', () => {
    const { cache } = start(128 * 1024, 8_192)
    store(cache, 'stored', 'body')
    const writers = Array.from({ length: 100 }, (_, i) => cache.open('owner', `w${i}`, HEAD))
    for (const writer of writers) writer?.write(Buffer.alloc(4_000, 'w'))
    expect(cache.usage().usedBytes).toBeLessThanOrEqual(128 * 1024)
    expect(bodyOf(cache, 'stored')).toBeUndefined()
    const stored = writers.filter((writer) => writer?.commit(HOUR)).length
    expect(stored).toBeGreaterThan(20)
    expect(cache.usage().entries).toBe(stored)
  })

  test('a budget of nothing, or of too little for a page, keeps nothing and says so', () => {
    for (const maxBytes of [0, 1, 600]) {
      const { cache } = start(maxBytes)
      expect(store(cache, 'key', 'body')).toBe(false)
      expect(cache.read('owner', 'key')).toBeUndefined()
      expect(cache.purge()).toBe(0)
    }
  })

  test('a field with a line break is never stored', () => {
    const { cache } = start()
    expect(
      cache.open('owner', 'key', { status: 200, headers: ['X-A', 'b\nX-C: d'] }),
    ).toBeUndefined()
  })
})

test('behaves as the reference cache does, for any sequence of calls within its memory', () => {
  const key = fc.constantFrom('a', 'b', 'c', 'd')
  const owner = fc.constantFrom('one', 'two')
  const step = fc.oneof(
    fc.record({
      do: fc.constant('store' as const),
      owner,
      key,
      body: fc.string({ maxLength: 3_000 }),
    }),
    fc.record({
      do: fc.constant('drop' as const),
      owner,
      key,
      body: fc.string({ maxLength: 3_000 }),
    }),
    fc.record({ do: fc.constant('delete' as const), owner, key }),
    fc.record({ do: fc.constant('purge' as const), owner }),
    fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 5_000 }) }),
    fc.record({ do: fc.constant('read' as const), owner, key }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const clock = new TestClock()
      const caches = [createReferenceCache(clock), new MemoryCache({ maxBytes: MIB, clock })]
      for (const taken of steps) {
        const [expected, actual] = caches.map((cache) => {
          switch (taken.do) {
            case 'store':
            case 'drop': {
              const writer = cache.open(taken.owner, taken.key, HEAD)
              writer?.write(Buffer.from(taken.body))
              return taken.do === 'store'
                ? writer?.commit({ keepMs: 8_000, freshMs: 1 })
                : writer?.abandon()
            }
            case 'delete':
              // An entry whose time is up may be gone already, or not yet.
              cache.delete(taken.owner, taken.key)
              return undefined
            case 'purge':
              cache.purge((owner) => owner === taken.owner)
              return undefined
            case 'wait':
              return undefined
            case 'read': {
              const found = cache.read(taken.owner, taken.key)
              return found && { ...found, body: Buffer.from(found.body).toString() }
            }
          }
        })
        if (taken.do === 'wait') clock.advance(taken.ms)
        expect(actual).toEqual(expected)
      }
    }),
  )
})
