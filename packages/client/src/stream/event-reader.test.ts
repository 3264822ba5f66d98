import fc from 'fast-check'
import { expect, test } from 'vitest'
import { eventData } from './event-reader.ts'

async function read(pieces: readonly Uint8Array[]): Promise<string[]> {
  const events: string[] = []
  for await (const data of eventData(inTurn(pieces))) events.push(data)
  return events
}

async function* inTurn(pieces: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  for (const piece of pieces) yield await Promise.resolve(piece)
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

test('events end with a blank line, whatever the line ends are; comments and other fields are left out', async () => {
  const text =
    '\uFEFF: ping\n\ndata: one\r\n\r\nevent: x\rdata:two\rid: 7\r\rdata: a\ndata:  b\n\ndata\n\n'
  expect(await read([bytes(text)])).toEqual(['one', 'two', 'a\n b', ''])
})

test('F23 what no blank line ends is no event', async () => {
  expect(await read([bytes('data: one\n\ndata: [DO')])).toEqual(['one'])
  expect(await read([bytes('data: one\n\ndata: [DONE]\n')])).toEqual(['one'])
})

test('however the bytes are cut, the events are the same', async () => {
  const line = fc.constantFrom('data: é€😀', 'data: x', ': c', 'event: e', 'data:', 'datax: 1', '')
  const end = fc.constantFrom('\n', '\r\n', '\r')
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(line, end), { maxLength: 20 }),
      fc.array(fc.nat(200), { maxLength: 20 }),
      async (lines, cuts) => {
        const whole = bytes(`${lines.map(([text, ending]) => text + ending).join('')}: end\n\n`)
        const places = [...new Set(cuts.map((cut) => cut % (whole.length + 1)))].sort(
          (a, b) => a - b,
        )
        const pieces = [0, ...places].map((from, i) => whole.subarray(from, places[i]))
        expect(await read(pieces)).toEqual(await read([whole]))
      },
    ),
  )
})

test('an event in very many pieces is read in linear time', async () => {
  const pieces = Array.from({ length: 20_000 }, () => bytes('data'.repeat(16)))
  const events = await read([bytes('data: '), ...pieces, bytes('\n\n')])
  expect(events.map((event) => event.length)).toEqual([1_280_000])
})
