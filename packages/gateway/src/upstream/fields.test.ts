import fc from 'fast-check'
import { expect, test } from 'vitest'
import { toRequestFields } from './request-fields.ts'
import { toResponseFields } from './response-fields.ts'

const OURS = [
  'host',
  'expect',
  'trailer',
  'upgrade',
  'connection',
  'keep-alive',
  'content-length',
  'proxy-connection',
  'transfer-encoding',
  'proxy-authorization',
]

const token = fc.stringMatching(/^[A-Za-z0-9-]{1,40}$/)
const value = fc.stringMatching(/^[ -~]{0,30}$/)

test('S19 whatever a caller leaves in, exactly one Host goes out and no framing field of his', () => {
  const name = fc.oneof(
    token,
    fc.constantFrom(...OURS),
    fc.constantFrom(...OURS.map((each) => each.toUpperCase())),
  )
  fc.assert(
    fc.property(fc.array(fc.tuple(name, value)), (pairs) => {
      const sent = toRequestFields(pairs.flat(), 'api.test', undefined, undefined)
      const foreign = pairs.filter(([each]) => !OURS.includes(each.toLowerCase()))
      expect(sent).toEqual(['host', 'api.test', ...foreign.flat()])
    }),
  )
})

/** As undici parses: lower-case names, an array where a field repeats. */
function parse(pairs: readonly (readonly [string, string])[]): Record<string, string | string[]> {
  const parsed: Record<string, string | string[]> = Object.create(null)
  for (const [name, text] of pairs) {
    const lower = name.toLowerCase()
    const before = parsed[lower]
    if (before === undefined) parsed[lower] = text
    else if (Array.isArray(before)) before.push(text)
    else parsed[lower] = [before, text]
  }
  return parsed
}

const HOP_BY_HOP = [
  'te',
  'trailer',
  'upgrade',
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'proxy-authenticate',
  'proxy-authentication-info',
]

test('S19 end-to-end fields of a response keep order, case and repetition; hop-by-hop ones and those named by Connection go', () => {
  const name = fc.oneof(
    token,
    fc.constantFrom(...HOP_BY_HOP, '__proto__', 'constructor', 'Set-Cookie'),
  )
  fc.assert(
    fc.property(fc.array(fc.tuple(name, value)), fc.array(token), (pairs, named) => {
      const all =
        named.length === 0 ? pairs : [...pairs, ['Connection', named.join(' , ')] as const]
      const raw = all.flat().map((text) => Buffer.from(text, 'latin1'))
      const options = new Set(
        all
          .filter(([each]) => each.toLowerCase() === 'connection')
          .flatMap(([, text]) => text.toLowerCase().split(','))
          .map((option) => option.trim()),
      )
      const expected = all.filter(([each]) => {
        const lower = each.toLowerCase()
        return !HOP_BY_HOP.includes(lower) && (!options.has(lower) || lower === 'content-length')
      })
      expect(toResponseFields(raw, parse(all)).flat).toEqual(expected.flat())
    }),
  )
})

test('names beyond what is remembered are told just the same', () => {
  for (let i = 0; i < 20_000; i++) {
    const raw = [Buffer.from(`X-Name-${i}`), Buffer.from(`${i}`)]
    expect(toResponseFields(raw, { [`x-name-${i}`]: `${i}` }).flat).toEqual([`X-Name-${i}`, `${i}`])
  }
})
