import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ChunkedDecoder } from './chunked-decoder.ts'

const LIMITS = { trailerBytes: 200, trailerFields: 3, extensionBytes: 64 }

interface Decoded {
  readonly payload: string
  readonly rest: string
  readonly done: boolean
  readonly refusal: string | undefined
}

function decode(...pieces: readonly string[]): Decoded {
  const decoder = new ChunkedDecoder(LIMITS)
  const payload: string[] = []
  let rest = ''
  for (const piece of pieces) {
    const input = Buffer.from(piece, 'latin1')
    if (decoder.done || decoder.refusal !== undefined) {
      rest += piece
      continue
    }
    const part = decoder.decode(input)
    if (part !== undefined) payload.push(part.toString('latin1'))
    rest += piece.slice(decoder.consumed)
  }
  return { payload: payload.join(''), rest, done: decoder.done, refusal: decoder.refusal?.code }
}

test('takes the coding off, and leaves what follows alone', () => {
  const body = '3\r\nabc\r\nA;x="y"\r\n0123456789\r\n0\r\nTrailer: t\r\n\r\nGET /'
  expect(decode(body)).toEqual({
    payload: 'abc0123456789',
    rest: 'GET /',
    done: true,
    refusal: undefined,
  })
})

test('gives the same for every segmentation', () => {
  const chunk = fc.string({ minLength: 1, maxLength: 60, unit: 'binary-ascii' })
  const cuts = fc.array(fc.nat(400), { maxLength: 20 })
  fc.assert(
    fc.property(fc.array(chunk, { maxLength: 6 }), cuts, (chunks, at) => {
      const coded = chunks.map((text) => `${text.length.toString(16)}\r\n${text}\r\n`).join('')
      const wire = `${coded}0\r\nA: b\r\n\r\nNEXT`
      const borders = [
        ...new Set([0, ...at.filter((cut) => cut < wire.length), wire.length]),
      ].toSorted((a, b) => a - b)
      const pieces = borders.slice(1).map((border, i) => wire.slice(borders[i], border))
      expect(decode(...pieces)).toEqual({
        payload: chunks.join(''),
        rest: 'NEXT',
        done: true,
        refusal: undefined,
      })
    }),
    { numRuns: 500 },
  )
})

test.each([
  ['no size', '\r\n'],
  ['a size that is no number', 'x\r\n'],
  ['a prefixed size', '0x5\r\nhello\r\n'],
  ['a signed size', '+5\r\nhello\r\n'],
  ['a bare LF after the size', '5\nhello\r\n'],
  ['a bare CR after the size', '5\rhello'],
  ['white space before the size', ' 5\r\nhello\r\n'],
  ['white space after the size', '5 \r\nhello\r\n'],
  ['an underscore in the size', '1_0\r\n'],
  ['a chunk longer than its size', '3\r\nhello\r\n'],
  ['a bare LF after the chunk', '5\r\nhello\n0\r\n\r\n'],
  ['a bare CR after the chunk', '5\r\nhello\rX'],
  ['a line end inside an extension', '5;a\nb\r\nhello\r\n'],
  ['a bare CR inside an extension', '5;a\rb\r\nhello\r\n'],
  ['NUL in an extension', '5;a\0\r\nhello\r\n'],
  ['a folded trailer', '0\r\n a: b\r\n\r\n'],
  ['a trailer without a name', '0\r\n: b\r\n\r\n'],
  ['a trailer with white space before its colon', '0\r\na : b\r\n\r\n'],
  ['a bare LF in a trailer', '0\r\na: b\n\r\n'],
  ['a bare CR after the last chunk', '0\r\n\rX'],
])('S01 %s is refused as invalid_framing', (_what, body) => {
  const decoded = decode(body)
  expect(decoded).toMatchObject({ refusal: 'invalid_framing', done: false })
})

test('F12 extensions count together, and more than allowed is too large', () => {
  expect(decode(`5;${'a'.repeat(60)}\r\nhello\r\n0\r\n\r\n`)).toMatchObject({
    done: true,
    payload: 'hello',
  })
  expect(decode(`5;${'a'.repeat(64)}\r\n`).refusal).toBe('body_too_large')
  expect(decode('1;aaaa\r\nx\r\n'.repeat(20)).refusal).toBe('body_too_large')
})

test('F12 a size beyond any body is too large, also in leading zeros', () => {
  expect(decode('fffffffffffff\r\n').refusal).toBe('body_too_large')
  expect(decode(`${'0'.repeat(12)}5\r\n`).refusal).toBe('body_too_large')
})

test('F12 a trailer section is bounded in bytes and fields', () => {
  expect(decode(`0\r\na: ${'b'.repeat(300)}`).refusal).toBe('headers_too_large')
  expect(decode('0\r\na: b\r\na: b\r\na: b\r\na: b\r\n\r\n').refusal).toBe('headers_too_large')
})
