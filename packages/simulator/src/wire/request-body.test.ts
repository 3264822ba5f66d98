import fc from 'fast-check'
import { expect, test } from 'vitest'
import { RequestBody } from './request-body.ts'

/** Feeds a body cut at the given places; returns what is left over. */
function feed(body: RequestBody, bytes: Buffer, cuts: readonly number[]): Buffer {
  const places = [
    ...new Set([0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length]),
  ].toSorted((a, b) => a - b)
  const left: Buffer[] = []
  for (const [index, from] of places.entries()) {
    const segment = bytes.subarray(from, places[index + 1] ?? bytes.length)
    const used = body.done ? 0 : body.push(segment, 0)
    left.push(segment.subarray(used))
  }
  return Buffer.concat(left)
}

const REST = Buffer.from('GET / HTTP/1.1\r\n')

test('a chunked body comes out the same however it is cut, and takes nothing of what follows', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { maxLength: 6 }),
      fc.array(fc.nat(400), { maxLength: 30 }),
      (chunks, cuts) => {
        const framed = Buffer.concat([
          ...chunks.flatMap((chunk) => [
            Buffer.from(`${chunk.length.toString(16)}\r\n`),
            Buffer.from(chunk),
            Buffer.from('\r\n'),
          ]),
          Buffer.from('0\r\n\r\n'),
        ])
        const body = new RequestBody({ kind: 'chunked' }, 10_000)
        const left = feed(body, Buffer.concat([framed, REST]), cuts)
        expect(body.done).toBe(true)
        expect(body.decoded).toEqual(Buffer.concat(chunks))
        expect(body.raw).toEqual(framed)
        expect(left).toEqual(REST)
      },
    ),
  )
})

test('a body of known length takes exactly that', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), fc.array(fc.nat(100)), (payload, cuts) => {
      const body = new RequestBody({ kind: 'length', bytes: payload.length }, 10_000)
      const left = feed(body, Buffer.concat([payload, REST]), cuts)
      expect(body.done).toBe(true)
      expect(body.decoded).toEqual(Buffer.from(payload))
      expect(left).toEqual(REST)
    }),
  )
})

test('no garbage makes it throw anything but its own errors', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom('0', '3', 'a', '\r', '\n', ';', 'x'), maxLength: 40 }),
      (text) => {
        const body = new RequestBody({ kind: 'chunked' }, 100)
        try {
          body.push(Buffer.from(text), 0)
        } catch (error) {
          expect(error).toHaveProperty(
            'name',
            expect.stringMatching(/MalformedRequest|BodyTooLarge/),
          )
        }
      },
    ),
  )
})

test('chunks beyond the limit are refused before they are taken', () => {
  const body = new RequestBody({ kind: 'chunked' }, 10)
  expect(() => body.push(Buffer.from('b\r\n'), 0)).toThrow(/longer than 10 bytes/)
  expect(() => new RequestBody({ kind: 'length', bytes: 11 }, 10)).toThrow(/longer than 10 bytes/)
})
