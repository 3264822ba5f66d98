import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isGatewayError } from '../errors/index.ts'
import { parseJson, type JsonLimits } from './json.ts'

const LIMITS: JsonLimits = { maxDepth: 64, maxMembers: 1000, uniqueKeys: true }

function parse(text: string | Uint8Array, limits: Partial<JsonLimits> = {}) {
  return parseJson(typeof text === 'string' ? Buffer.from(text) : text, { ...LIMITS, ...limits })
}

function codeOf(text: string | Uint8Array, limits: Partial<JsonLimits> = {}): string {
  try {
    parse(text, limits)
    return 'accepted'
  } catch (error) {
    return isGatewayError(error) ? error.code : String(error)
  }
}

test('the value is what JSON.parse makes', () => {
  const text = '{"model":"a","messages":[{"role":"user","content":"\\"[{,:}]\\\\"}],"n":1e2}'
  expect(parse(text).value).toEqual(JSON.parse(text))
})

test('a span covers exactly the value of a top-level member, white space around it excluded', () => {
  const text = ' { "model" :\n "gpt" , "stream_options":{"a":[1,2]} , "n": 1 } '
  const document = parse(text)
  const cut = (key: string) => text.slice(...(document.span(key) ?? [0, 0]))
  expect(cut('model')).toBe('"gpt"')
  expect(cut('stream_options')).toBe('{"a":[1,2]}')
  expect(cut('n')).toBe('1')
  expect(document.span('a')).toBeUndefined()
  expect(document.span('absent')).toBeUndefined()
})

test('spans count bytes, not characters', () => {
  const bytes = Buffer.from('{"ключ":"значение","model":"é"}')
  const span = parse(bytes).span('model')
  expect(bytes.subarray(...(span ?? [0, 0])).toString()).toBe('"é"')
})

test('for every JSON object and any spacing the spans of all members are exact', () => {
  const object = fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue({ maxDepth: 4 }))
  fc.assert(
    fc.property(object, fc.constantFrom(undefined, 1, '\t', ' \n'), (value, indent) => {
      const bytes = Buffer.from(JSON.stringify(value, undefined, indent))
      const document = parse(bytes, { maxMembers: Infinity })
      expect(document.value).toEqual(JSON.parse(bytes.toString()))
      for (const [key, member] of Object.entries(value)) {
        const [start, end] = document.span(key) ?? [0, 0]
        const text = bytes.subarray(start, end).toString()
        expect(text.trim()).toBe(text)
        expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(member)))
      }
    }),
    { numRuns: 300 },
  )
})

test('whatever the bytes, the answer is a document or a documented error', () => {
  const jsonish = fc.string({
    unit: fc.constantFrom(...Array.from('{}[]",:\\u0061 n1e')),
    maxLength: 40,
  })
  fc.assert(
    fc.property(jsonish, (text) => {
      const code = codeOf(text)
      const valid = isJson(text)
      if (code === 'accepted') expect(valid).toBe(true)
      else if (valid) expect(code).toBe('json_duplicate_key')
      else expect(code).toMatch(/^(invalid_json|json_duplicate_key)$/)
    }),
    { numRuns: 2000 },
  )
})

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch (error) {
    return !(error instanceof SyntaxError)
  }
}

test('S25 depth 64 is accepted, 65 is refused, and so is a bomb that is no JSON at all', () => {
  expect(codeOf('['.repeat(64) + ']'.repeat(64))).toBe('accepted')
  expect(codeOf('['.repeat(65) + ']'.repeat(65))).toBe('json_too_deep')
  expect(codeOf('['.repeat(20_000))).toBe('json_too_deep')
  expect(codeOf('{"a":'.repeat(20_000))).toBe('json_too_deep')
})

test('S25 brackets inside strings are no depth', () => {
  expect(codeOf(JSON.stringify({ prompt: '[{'.repeat(10_000) }))).toBe('accepted')
})

test('S26 members, objects and arrays are counted; plain array elements are not', () => {
  const wide = JSON.stringify(
    Object.fromEntries(Array.from({ length: 1001 }, (_, i) => [`k${i}`, 0])),
  )
  expect(codeOf(wide)).toBe('json_too_wide')
  expect(codeOf(JSON.stringify(Array.from({ length: 1000 }, () => [])))).toBe('json_too_wide')
  expect(codeOf(JSON.stringify(Array.from({ length: 100_000 }, () => 7)))).toBe('accepted')
})

test('S26 a repeated top-level member is refused, however it is spelt', () => {
  expect(codeOf('{"model":"cheap","model":"expensive"}')).toBe('json_duplicate_key')
  expect(codeOf('{"model":"cheap","m\\u006fdel":"expensive"}')).toBe('json_duplicate_key')
  expect(codeOf('{"__proto__":1,"__proto__":2}')).toBe('json_duplicate_key')
  expect(codeOf('{"a":{"x":1,"x":2}}')).toBe('accepted')
  expect(codeOf('{"a":1,"a":2}', { uniqueKeys: false })).toBe('accepted')
})

test('S24 __proto__ and constructor stay own members and change no prototype', () => {
  const document = parse('{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}')
  expect(Object.keys(Object(document.value))).toEqual(['__proto__', 'constructor'])
  expect(Object.getPrototypeOf(document.value)).toBe(Object.prototype)
  expect('polluted' in {}).toBe(false)
  expect(document.span('__proto__')).toEqual([13, 27])
  expect(document.span('toString')).toBeUndefined()
})

test('S26 numbers beyond the range are left to their reader', () => {
  expect(parse('{"max_tokens":1e999}').value).toEqual({ max_tokens: Infinity })
})

test.each([
  ['nothing', ''],
  ['white space', '  '],
  ['an unterminated string', '{"a":"b'],
  ['an unterminated escape', '"\\'],
  ['a trailing comma', '{"a":1,}'],
  ['two values', '{} {}'],
  ['closing brackets', ']]]]'],
  ['a byte order mark', '\ufeff{}'],
  ['a raw control character', '{"a":"\u0001"}'],
])('%s is invalid_json', (_what, text) => {
  expect(codeOf(text)).toBe('invalid_json')
})

test('bytes that are no UTF-8 are invalid_json, never repaired', () => {
  expect(codeOf(Buffer.from([0x22, 0xc0, 0xaf, 0x22]))).toBe('invalid_json')
  expect(codeOf(Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]))).toBe('invalid_json')
})

test('works on a view into a larger buffer', () => {
  const larger = Buffer.from('xx{"a":true}yy')
  const document = parse(larger.subarray(2, 12))
  expect(document.value).toEqual({ a: true })
  expect(document.span('a')).toEqual([5, 9])
})

test('a string of 4 MB with an escaped quote near its end is searched once', () => {
  const text = JSON.stringify({ prompt: `${'x'.repeat(4_000_000)}\\"\\`, model: 'm' })
  const started = performance.now()
  const document = parse(text)
  expect(text.slice(...(document.span('model') ?? [0, 0]))).toBe('"m"')
  expect(performance.now() - started).toBeLessThan(1000)
})
