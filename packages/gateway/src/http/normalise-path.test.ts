import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { escapePath } from './escape-path.ts'
import { normalisePath } from './normalise-path.ts'

describe('kong.md §2.1 normalisation', () => {
  test.each([
    ['/', '/'],
    ['/v1/chat/completions', '/v1/chat/completions'],
    ['/%61%2D%7e', '/a-~'],
    ['/a%20b%22', '/a b"'],
    ['/%2f%3a%25%2525', '/%2F%3A%25%2525'],
    ['/%E0%B8%9B', '/ป'],
    ['/\xe0\xb8\x9b', '/ป'],
    ['/%e0\xb8%9b', '/ป'],
    ['/%ff%c3%28', '/%FF%C3%28'],
    ['/%ed%a0%80', '/%ED%A0%80'],
    ['/%c0%af', '/%C0%AF'],
    ['/%f0%9f%99%82', '/🙂'],
    ['/%f4%90%80%80', '/%F4%90%80%80'],
    ['/%e0%80', '/%E0%80'],
    ['/%zz%4', '/%zz%4'],
    ['/a/./b', '/a/b'],
    ['/a/../b', '/b'],
    ['/a/%2e%2E/b', '/b'],
    ['/../../a', '/a'],
    ['/a/..', '/'],
    ['/a/b/..', '/a/'],
    ['/a/.', '/a/'],
    ['/.', '/'],
    ['/..', '/'],
    ['//a///b//', '/a/b/'],
    ['/a//../b', '/b'],
    ['/a/...', '/a/...'],
    ['/.well-known/x', '/.well-known/x'],
    ['/a\\..\\b', '/a\\..\\b'],
    ['/a#b', '/a#b'],
    ['/ปa', '/ปa'],
  ])('%j becomes %j', (raw, expected) => {
    expect(normalisePath(raw, 'kong')).toBe(expected)
  })

  test.each(['', 'a', '*', 'http://evil/admin', '?/a'])('%j is no path in either mode', (raw) => {
    expect(normalisePath(raw, 'kong')).toBeUndefined()
    expect(normalisePath(raw, 'strict')).toBeUndefined()
  })
})

describe('S06 strict mode', () => {
  test.each([
    '/v1/../admin',
    '/v1/./admin',
    '/v1/%2e%2e/admin',
    '/v1/%2E./admin',
    '/v1/.%2e/admin',
    '/..',
    '/a/..',
    '/a/.',
    '/a/..;/b',
    '/a/..;x=1',
    '/a/.;/b',
    '/a/..%3b/b',
    '/v1\\..\\admin',
    '/v1%5c..%5Cadmin',
    '/a%00',
    '/a%0a',
    '/a%0D%0Ab',
    '/a%7f',
    '/a%09',
    '/a%2fb',
    '/a%2Fb',
    '/a%',
    '/a%4',
    '/a%zz',
    '/a#b',
    '/a?b',
    '/a%20',
    '/a\x00',
    '/a b\x7f',
  ])('%j is refused', (raw) => {
    expect(normalisePath(raw, 'strict')).toBeUndefined()
  })

  test.each([
    ['/v1/chat/completions', '/v1/chat/completions'],
    ['/%61%64min', '/admin'],
    ['/a%2D%2e%5F%7E', '/a-._~'],
    ['//evil/admin', '/evil/admin'],
    ['/a//b', '/a/b'],
    ['/a;x=1/b', '/a;x=1/b'],
    ['/a...', '/a...'],
    ['/admin.', '/admin.'],
    ['/ADMIN', '/ADMIN'],
    ['/.well-known/x', '/.well-known/x'],
    ['/%252e%252e/a', '/%252e%252e/a'],
    ['/%c3%a9%20x', '/é x'],
    ['/v1beta/models/gemini:generateContent', '/v1beta/models/gemini:generateContent'],
  ])('%j is accepted as %j', (raw, expected) => {
    expect(normalisePath(raw, 'strict')).toBe(expected)
  })
})

const NASTY_PIECES =
  '/ / . .. %2e %2E %2f \\ %5c %00 % %25 %20 ? # %3f %23 ; %3b : @ // evil http: %0a %09 %c3%a9 \xc3\xa9 %ff \xff'
    .concat(' %ef%bc%8f %e2%80%8b %ef%bb%bf %c2%85 [ ] | " ^ { } ` < %7c \' ~ & =')
    .split(' ')
    .concat(' ', '\t')

const nasty = fc
  .array(
    fc.oneof(fc.constantFrom(...NASTY_PIECES), fc.string({ unit: 'binary-ascii', maxLength: 3 })),
    { maxLength: 12 },
  )
  .map((parts) => `/${parts.join('')}`)

describe('S05 S06 nothing that strict mode accepts means something else to another parser', () => {
  test('new URL finds the same host and the same path', () => {
    fc.assert(
      fc.property(nasty, (raw) => {
        const path = normalisePath(raw, 'strict')
        if (path === undefined) return
        const onTheWire = escapePath(path)
        for (const url of [
          new URL(`http://gateway${onTheWire}`),
          new URL(`http://gateway${path}`),
          new URL(path, 'http://gateway'),
        ]) {
          expect(url.host).toBe('gateway')
          expect(url.search + url.hash).toBe('')
          expect(escapePath(url.pathname)).toBe(onTheWire)
        }
        expect(new URL(`http://gateway${onTheWire}`).pathname).toBe(onTheWire)
      }),
      { numRuns: 5_000 },
    )
  })

  test('what is sent upstream normalises to the path that was decided on', () => {
    fc.assert(
      fc.property(nasty, (raw) => {
        const path = normalisePath(raw, 'strict')
        if (path === undefined) return
        expect(normalisePath(escapePath(path), 'strict')).toBe(path)
        expect(normalisePath(raw, 'kong')).toBe(path)
      }),
      { numRuns: 5_000 },
    )
  })

  test('kong mode leaves no dot segment, no repeated slash, and nothing above the root', () => {
    fc.assert(
      fc.property(nasty, (raw) => {
        const path = normalisePath(raw, 'kong') ?? ''
        expect(path.startsWith('/')).toBe(true)
        expect(path).not.toMatch(/\/\/|\/\.\.?(?:\/|$)/)
      }),
      { numRuns: 5_000 },
    )
  })
})
