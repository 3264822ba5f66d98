import fc from 'fast-check'
import { expect, test } from 'vitest'
import { EventScanner } from './event-scanner.ts'

function scan(chunks: readonly Buffer[]): { events: string[]; passed: string; rest: string } {
  const events: string[] = []
  const scanner = new EventScanner((data) => events.push(data.toString('utf8')))
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
  const scanner = new EventScanner(() => {})
  expect(scanner.push(Buffer.from('data: a\n\ndata: b')).toString()).toBe('data: a\n\n')
  expect(scanner.push(Buffer.from('\n')).toString()).toBe('')
  expect(scanner.push(Buffer.from('\n')).toString()).toBe('data: b\n\n')
})

test('an event without its blank line is read when the stream ends', () => {
  const { events, rest } = scan([Buffer.from('data: a\n\ndata: [DONE]\n')])
  expect(events).toEqual(['a', '[DONE]'])
  expect(rest).toBe('data: [DONE]\n')
})

test('F29 an event of many megabytes is passed on unread instead of being kept', () => {
  const scanner = new EventScanner(() => {})
  const passed = scanner.push(
    Buffer.concat([Buffer.from('data: '), Buffer.alloc(2 * 1024 * 1024, 120)]),
  )
  expect(passed.length).toBe(2 * 1024 * 1024 + 6)
  expect(scanner.overflowed).toBe(true)
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
