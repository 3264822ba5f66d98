import { expect, test } from 'vitest'
import { createRequestId, isFieldValue, isToken } from './index.ts'

test('request ids are 32 lower-case hex characters, and none comes twice', () => {
  const ids = new Set<string>()
  for (let i = 0; i < 2000; i++) ids.add(createRequestId())
  expect(ids.size).toBe(2000)
  for (const id of ids) expect(id).toMatch(/^[0-9a-f]{32}$/)
})

test('S20 a field value has no control character but HTAB, and nothing beyond Latin-1', () => {
  expect(isFieldValue('a\tb \u00e9')).toBe(true)
  expect(isFieldValue('')).toBe(true)
  for (const bad of ['\r', '\n', '\0', '\u001f', '\u007f', '\u0100', '\ud800']) {
    expect(isFieldValue(`a${bad}b`)).toBe(false)
  }
})

test('a field name is a token', () => {
  expect(isToken("x-A_9!#$%&'*+.^`|~")).toBe(true)
  for (const bad of ['', 'a b', 'a:', 'a\u00e9', 'a"', 'a(', 'a\r'])
    expect(isToken(bad)).toBe(false)
})
