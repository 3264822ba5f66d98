import type { ExchangeGiven } from '@pratu/plugin-kit/testing'
import { describe, expect, test } from 'vitest'
import { givenPipeline, type PipelineGiven } from './testing/given-pipeline.ts'

type Fields = Readonly<Record<string, string>>

/** The fields that go upstream for one request, by lower-case name. */
function forwarded(request: ExchangeGiven = {}, given: PipelineGiven = {}): Fields {
  const pipeline = givenPipeline(given)
  pipeline.request({ host: 'API.Example.com:8443', peerIp: '192.0.2.1', port: 8443, ...request })
  return pipeline.upstream.call.fields
}

/** Whether its peer is in `trusted_ips`. */
const trusted = { peerTrusted: true, clientIp: '203.0.113.9' } as const

describe('kong.md §2.8 X-Forwarded-For', () => {
  test('is the client’s address when there was none', () => {
    expect(forwarded()['x-forwarded-for']).toBe('192.0.2.1')
    expect(forwarded({ ...trusted })['x-forwarded-for']).toBe('203.0.113.9')
  })

  test.each([true, false])('grows by the peer’s own address, trusted: %s', (peerTrusted) => {
    const headers = { 'X-Forwarded-For': ['10.0.0.1', '10.0.0.2, 10.0.0.3'] }
    expect(forwarded({ ...trusted, peerTrusted, headers })['x-forwarded-for']).toBe(
      '10.0.0.1, 10.0.0.2, 10.0.0.3, 192.0.2.1',
    )
  })
})

describe('kong.md §2.8 what only a trusted peer may say', () => {
  test.each([
    ['X-Forwarded-Proto', 'https', 'http'],
    ['X-Forwarded-Host', 'Outer.test', 'api.example.com'],
    ['X-Forwarded-Port', '443', '8443'],
    ['X-Forwarded-Path', '/outer/x', '/a/%7Ex'],
    ['X-Forwarded-Prefix', '/outer', '/a'],
  ])('%s', (name, said, own) => {
    const request: ExchangeGiven = { target: '/a/%7Ex?q=1', headers: { [name]: said } }
    const lower = name.toLowerCase()
    expect(forwarded({ ...request, ...trusted })[lower]).toBe(said)
    expect(forwarded(request)[lower]).toBe(own)
    expect(forwarded({ target: '/a/%7Ex?q=1', ...trusted })[lower]).toBe(own)
  })

  test('X-Real-IP is never the client’s own word', () => {
    expect(forwarded({ headers: { 'X-Real-IP': '1.1.1.1' } })['x-real-ip']).toBe('192.0.2.1')
    expect(forwarded({ ...trusted, headers: { 'X-Real-IP': '1.1.1.1' } })['x-real-ip']).toBe(
      '203.0.113.9',
    )
  })
})

describe('kong.md §2.8 X-Forwarded-Prefix', () => {
  test.each([
    ['what strip_path took away', { paths: ['/a'] }, '/a/b', '/a'],
    ['all that a regex path took away', { paths: ['~/a/v\\d+'] }, '/a/v12/b', '/a/v12'],
    ['absent when nothing was stripped', { paths: ['/a'], stripPath: false }, '/a/b', undefined],
    ['absent when it would be /', { paths: ['/'] }, '/a/b', undefined],
    [
      'absent when the route matched by its host',
      { paths: [], hosts: ['API.Example.com'] },
      '/a',
      undefined,
    ],
  ])('is %s', (_what, route, target, expected) => {
    expect(forwarded({ target }, { route })['x-forwarded-prefix']).toBe(expected)
  })
})

describe('kong.md §2.8 X-Forwarded-Host', () => {
  test.each([
    ['Example.com', 'example.com'],
    ['example.com:80', 'example.com'],
    ['[2001:DB8::1]', '[2001:db8::1]'],
    ['[2001:db8::1]:8000', '[2001:db8::1]'],
  ])('of %s is %s', (host, expected) => {
    expect(forwarded({ host })['x-forwarded-host']).toBe(expected)
  })

  test('is left out where an HTTP/1.0 request names none', () => {
    const given = { httpVersion: '1.0', host: '' } as const
    expect(forwarded(given)).not.toHaveProperty('x-forwarded-host')
  })
})

describe('kong.md §2.8 Via', () => {
  test('is ours behind the ones that came, with the version the client spoke', () => {
    expect(forwarded()['via']).toBe('1.1 pratu/test')
    expect(forwarded({ httpVersion: '1.0' })['via']).toBe('1.0 pratu/test')
    expect(forwarded({ headers: { Via: ['1.0 a', '1.1 b'] } })['via']).toBe(
      '1.0 a, 1.1 b, 1.1 pratu/test',
    )
  })
})

describe('kong.md §2.8 what concerns one connection', () => {
  test('is removed, whatever its case', () => {
    const headers = {
      'Keep-Alive': 'timeout=5',
      'PROXY-CONNECTION': 'keep-alive',
      Proxy: 'http://evil.test',
      Upgrade: 'h2c',
      Trailer: 'X-Sum',
      Expect: '100-continue',
      'Transfer-Encoding': 'chunked',
    }
    const fields = forwarded({ headers })
    for (const name of Object.keys(headers)) {
      expect(fields).not.toHaveProperty(name.toLowerCase())
    }
  })

  test('S19 fields named by Connection go, our own are added after that and stay', () => {
    const fields = forwarded({
      headers: {
        Connection: ['close, X-Gone', 'x-forwarded-for,X-KONG-REQUEST-ID , via, keep-alive'],
        'x-gone': 'a',
        'X-Kept': 'b',
      },
    })
    expect(fields).not.toHaveProperty('x-gone')
    expect(fields).not.toHaveProperty('connection')
    expect(fields).toMatchObject({
      'x-kept': 'b',
      'x-forwarded-for': '192.0.2.1',
      via: '1.1 pratu/test',
    })
    expect(fields['x-kong-request-id']).toMatch(/^[0-9a-f]{32}$/)
  })

  test.each([
    ['trailers', 'trailers'],
    ['gzip, Trailers;q=0.5', 'trailers'],
    ['gzip', undefined],
    ['x-trailers', undefined],
  ])('TE: %s goes on as %s', (te, expected) => {
    expect(forwarded({ headers: { TE: te } })['te']).toBe(expected)
  })
})

describe('kong.md §2.8 the request id', () => {
  test('is the gateway’s own, when headers_upstream asks for it', () => {
    const headers = { 'X-Kong-Request-Id': 'mine' }
    expect(forwarded({ headers })['x-kong-request-id']).toMatch(/^[0-9a-f]{32}$/)
    const headerTokens = { upstreamRequestId: false }
    expect(forwarded({ headers }, { headerTokens })).not.toHaveProperty('x-kong-request-id')
  })
})

test('everything else passes in its order and case, repeated fields included', () => {
  const pipeline = givenPipeline()
  pipeline.request({ headers: { 'X-B': ['1', '2'], accept: 'a/b', under_score: 'x' } })
  expect(pipeline.upstream.call.request.headers.slice(0, 8)).toEqual([
    'X-B',
    '1',
    'X-B',
    '2',
    'accept',
    'a/b',
    'under_score',
    'x',
  ])
})

describe('architecture §3 AI traffic', () => {
  test('asks for answers that can be read as they pass', () => {
    const headers = { 'Accept-Encoding': 'gzip, br' }
    expect(forwarded({ headers })['accept-encoding']).toBe('gzip, br')
    const service = { aiFormat: 'openai-chat' } as const
    expect(forwarded({ headers }, { service })['accept-encoding']).toBe('identity')
  })
})
