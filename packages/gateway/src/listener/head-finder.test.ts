import fc from 'fast-check'
import { expect, test } from 'vitest'
import { findHeadEnd } from './head-finder.ts'

const LIMITS = { headerBytes: 16_384, urlBytes: 8192 }
const pieces = fc.array(fc.constantFrom('\r\n', '\r', '\n', 'a', 'bc', 'def', '\r\n\r\n'), {
  maxLength: 40,
})

test('a head ends where the first empty line does, wherever it stands', () => {
  fc.assert(
    fc.property(pieces, fc.nat(3), (parts, start) => {
      const data = Buffer.from(`GET ${parts.join('')}`)
      const found = data.indexOf('\r\n\r\n', start, 'latin1')
      fc.pre(found >= 0)
      expect(findHeadEnd(data, start, LIMITS)).toBe(found + 4)
    }),
  )
})
