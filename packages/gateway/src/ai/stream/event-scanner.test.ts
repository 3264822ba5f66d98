import fc from 'fast-check'
import { expect, test } from 'vitest'
import { MemoryBudget } from '../../http/index.ts'
import { EventScanner } from './event-scanner.ts'

const MIB = 1024 * 1024

const budget = (): MemoryBudget => new MemoryBudget(64 * MIB)

function scan(chunks: readonly Buffer[]): { events: string[]; passed: string; rest: string } {
  const events: string[] = []
  const scanner = new EventScanner((data) => events.push(data.toString('utf8')), budget())
  const passed = Buffer.concat(chunks.map((chunk) => Buffer.from(scanner.push(chunk))))
  return { events, passed: passed.toString('utf8'), rest: scanner.finish().toString('utf8') }
}

function cut(text: string, sizes: readonly number[]): Buffer[] {
  const bytes = Buffer.from(text)
  const chunks: Buffer[] = []
  let start = 0
  for (const size of sizes) {
    if (start >= bytes.length) break
    chunks.push(bytes.subarray(start, start + size))
    start += size
  }
  if (start < bytes.length) chunks.push(bytes.subarray(start))
  return chunks
}

test('F29 lines may end in LF, CR LF or CR, and several data lines are one event', () => {
  const text = 'data: a\n\ndata: b\r\n\r\ndata: c\rdata: d\r\r: note\n\nid: 7\ndata:e\n\n'
  expect(scan([Buffer.from(text)]).events).toEqual(['a', 'b', 'c\nd', 'e'])
})

test('F29 a byte order mark before the first event is no part of it', () => {
  expect(scan([Buffer.from('\uFEFFdata: a\n\n')]).events).toEqual(['a'])
})

test('bytes of an unfinished event are held back until it is whole', () => {
  const scanner = new EventScanner(() => {}, budget())
  expect(scanner.push(Buffer.from('data: a\n\ndata: b')).toString()).toBe('data: a\n\n')
  expect(scanner.push(Buffer.from('\n')).toString()).toBe('')
  expect(scanner.push(Buffer.from('\n')).toString()).toBe('data: b\n\n')
})

test('an event without its blank line is read when the stream ends', () => {
  const { events, rest } = scan([Buffer.from('data: a\n\ndata: [DONE]\n')])
  expect(events).toEqual(['a', '[DONE]'])
  expect(rest).toBe('data: [DONE]\n')
})

test('F29 an event above 4 MiB passes unread instead of being kept, and the events behind it are read', () => {
  const memory = budget()
  const events: string[] = []
  const scanner = new EventScanner((data) => events.push(data.toString()), memory)
  const huge = Buffer.alloc(5 * MIB, 'x')
  // The boundary is split, and a line inside of the event looks like another one.
  const parts = ['data: ', huge, '\ndata: [DONE]\n', '\ndata: after', '\n\ndata: [DONE]\n\n'].map(
    (part) => Buffer.from(part),
  )
  const passed: Buffer[] = []
  for (const part of parts) {
    passed.push(scanner.push(part))
    expect(memory.used).toBeLessThan(64)
  }
  expect(Buffer.concat(passed).equals(Buffer.concat(parts))).toBe(true)
  expect(events).toEqual(['after', '[DONE]'])
  expect(scanner.overflowed).toBe(false)
})

test('F29 what is held back is charged, given back with the event, and never more than the budget has', () => {
  const memory = new MemoryBudget(64 * 1024)
  const events: number[] = []
  const scanner = new EventScanner((data) => events.push(data.length), memory)
  scanner.push(Buffer.from('data: '))
  scanner.push(Buffer.alloc(10_000, 'x'))
  expect(memory.used).toBeGreaterThan(10_000)
  scanner.push(Buffer.from('\n\n'))
  expect([events, memory.used]).toEqual([[10_000], 0])

  scanner.push(Buffer.from('data: '))
  let passed = 0
  for (let i = 0; i < 100; i++) passed += scanner.push(Buffer.alloc(1000, 'x')).length
  expect(passed).toBeGreaterThan(99_000)
  expect([scanner.overflowed, memory.used]).toEqual([true, 0])
  scanner.push(Buffer.from('\n\ndata: ab\n\nda'))
  expect([events, memory.used]).toEqual([[10_000, 2], 2])
  scanner.release()
  expect(memory.used).toBe(0)
})

test('F29 an event that arrives byte by byte costs time in proportion to its length', () => {
  const scanner = new EventScanner(() => {}, budget())
  const started = performance.now()
  for (let i = 0; i < 500_000; i++) scanner.push(Buffer.from('x'))
  expect(scanner.push(Buffer.from('\n\n')).length).toBe(500_002)
  // Copying everything for each byte would take a minute.
  expect(performance.now() - started).toBeLessThan(5_000)
})

const line = fc.constantFrom(
  'data: x',
  'data:{"a":"ü€😀"}',
  ': ping',
  'event: e',
  'id',
  'data',
  'data: [DONE]',
)
const ending = fc.constantFrom('\n', '\r\n', '\r')

test('F29 however a stream is cut, the same bytes pass and the same events are read', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(line, ending, fc.boolean()), { maxLength: 20 }),
      fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 60 }),
      (lines, sizes) => {
        const text = lines.map(([content, end, last]) => content + end + (last ? end : '')).join('')
        const whole = scan([Buffer.from(text)])
        const parts = scan(cut(text, sizes))
        expect(parts.passed + parts.rest).toBe(text)
        expect(whole.passed + whole.rest).toBe(text)
        expect(parts.events).toEqual(whole.events)
      },
    ),
    { numRuns: 2000 },
  )
})
