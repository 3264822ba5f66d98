import { refuse } from '@pratu/plugin-kit'
import { describe, expect, test } from 'vitest'
import type { ErrorCode } from '../errors/index.ts'
import { GatewayError } from '../errors/index.ts'
import { givenPipeline, type PipelineGiven } from './testing/given-pipeline.ts'
import type { RecordingClient } from './testing/recording-client.ts'

function failing(
  code: ErrorCode,
  given: PipelineGiven = {},
  headers: Readonly<Record<string, string>> = {},
): RecordingClient {
  const pipeline = givenPipeline({
    ...given,
    plugins: [
      {
        access: () => {
          throw new GatewayError(code)
        },
      },
    ],
  })
  return pipeline.request({ headers })
}

const AI: PipelineGiven = { errorShape: 'kong+openai', service: { aiFormat: 'openai-chat' } }

describe('kong.md §2.8 headers of answers', () => {
  test('of the gateway’s own', () => {
    const client = givenPipeline().request({ target: '/elsewhere' })
    expect(client.header('server')).toBe('pratu/test')
    expect(client.header('x-kong-response-latency')).toMatch(/^\d+$/)
    expect(client.header('x-kong-request-id')).toMatch(/^[0-9a-f]{32}$/)
    expect(client.header('x-request-id')).toBe(client.header('x-kong-request-id'))
    for (const name of ['via', 'x-kong-upstream-latency', 'x-kong-proxy-latency']) {
      expect(client.header(name)).toBeUndefined()
    }
  })

  test('proxied: latencies and Via are added, the upstream’s Server and request id are kept', () => {
    const pipeline = givenPipeline()
    const client = pipeline.request()
    pipeline.upstream.call.answer(200, [
      'Server',
      'up/1',
      'x-request-id',
      'theirs',
      'Via',
      '1.1 a',
      'via',
      '1.1 b',
    ])
    expect(client.header('server')).toBe('up/1')
    expect(client.header('x-request-id')).toBe('theirs')
    expect(client.headers?.all('via')).toEqual(['1.1 a, 1.1 b, 1.1 pratu/test'])
    expect(client.header('x-kong-upstream-latency')).toMatch(/^\d+$/)
    expect(client.header('x-kong-proxy-latency')).toMatch(/^\d+$/)
    expect(client.header('x-kong-response-latency')).toBeUndefined()
    expect(client.header('x-kong-upstream-status')).toBeUndefined()
  })

  test('an answer from a cache counts as proxied', () => {
    const client = givenPipeline({
      plugins: [
        {
          access: () => ({
            kind: 'answer',
            status: 200,
            headers: {},
            body: Buffer.from('x'),
            source: 'service',
          }),
        },
      ],
    }).request()
    expect(client.header('x-kong-upstream-latency')).toBe('0')
    expect(Number(client.header('x-kong-proxy-latency'))).toBeGreaterThanOrEqual(0)
    expect(client.header('via')).toBe('1.1 pratu/test')
    expect(client.header('x-kong-response-latency')).toBeUndefined()
  })

  test.each<[string, string, string | undefined, string | undefined]>([
    ['a HEAD that does not know the length of GET claims none', 'HEAD', undefined, undefined],
    ['a HEAD that knows it tells it', 'HEAD', '6', '6'],
    ['an empty answer to GET is 0 bytes long, whatever a plugin says', 'GET', '6', '0'],
  ])('RFC 9110 §9.3.2 %s', (_what, method, given, told) => {
    const headers: Record<string, string> = given === undefined ? {} : { 'Content-Length': given }
    const client = givenPipeline({
      plugins: [
        { access: () => ({ kind: 'answer', status: 200, headers, body: new Uint8Array() }) },
      ],
    }).request({ method })
    expect(client.header('content-length')).toBe(told)
  })

  test('each only when headers asks for it', () => {
    const headerTokens = {
      serverTokens: false,
      latencyTokens: false,
      requestId: false,
      upstreamStatus: true,
    }
    const pipeline = givenPipeline({ headerTokens })
    const client = pipeline.request()
    pipeline.upstream.call.answer(201)
    expect(client.headers?.flat).toEqual(['X-Kong-Upstream-Status', '201'])
    const own = givenPipeline({ headerTokens }).request({ target: '/elsewhere' })
    expect(own.headers?.flat.filter((_field, i) => i % 2 === 0)).toEqual([
      'Content-Type',
      'Content-Length',
    ])
  })
})

describe('architecture §7 server-timing', () => {
  test('tells what the gateway itself took, beside what the upstream says', () => {
    const pipeline = givenPipeline()
    const client = pipeline.request()
    pipeline.upstream.call.answer(200, ['Server-Timing', 'db;dur=5'])
    expect(client.headers?.all('server-timing')).toEqual([
      'db;dur=5',
      expect.stringMatching(/^gateway;dur=\d+(\.\d{1,2})?$/),
    ])
  })

  test('is not Kong’s, and goes with the latencies', () => {
    for (const given of [
      { compatibility: 'kong' },
      { headerTokens: { latencyTokens: false } },
    ] as const) {
      const client = givenPipeline(given).request({ target: '/elsewhere' })
      expect(client.header('server-timing')).toBeUndefined()
    }
  })
})

describe('what a client library is told to do next', () => {
  test('S32 no answer of our own on AI traffic may be kept by a cache', () => {
    expect(failing('upstream_reset', AI).header('cache-control')).toBe('no-store')
    const refused = givenPipeline({
      ...AI,
      plugins: [{ access: () => refuse(429, 'limit', 'no') }],
    })
    expect(refused.request().header('cache-control')).toBe('no-store')
    expect(failing('upstream_reset').header('cache-control')).toBeUndefined()
  })

  test('a plugin’s own Cache-Control stands', () => {
    const refusal = refuse(403, 'no', 'no', { 'Cache-Control': 'private' })
    const client = givenPipeline({ ...AI, plugins: [{ access: () => refusal }] }).request()
    expect(client.headers?.all('cache-control')).toEqual(['private'])
  })

  test.each<[ErrorCode, string | undefined]>([
    ['body_too_large', 'false'],
    ['upstream_forbidden_address', 'false'],
    ['internal', undefined],
    ['upstream_reset', undefined],
    ['overloaded', undefined],
  ])('x-should-retry after %s is %s', (code, expected) => {
    expect(failing(code, AI).header('x-should-retry')).toBe(expected)
    expect(failing(code).header('x-should-retry')).toBeUndefined()
  })

  test('x-should-retry is false when the gateway has tried more than once itself', () => {
    const pipeline = givenPipeline(AI)
    const client = pipeline.request()
    const { call } = pipeline.upstream
    const one = { host: 'h', port: 1, startedAtMs: 0, status: undefined, error: undefined }
    call.tries.push(one, one)
    call.fail('upstream_reset')
    expect([client.status, client.header('x-should-retry')]).toEqual([502, 'false'])
  })

  test.each<[ErrorCode, string | undefined]>([
    ['overloaded', '1'],
    ['server_shutting_down', '1'],
    ['upstream_reset', undefined],
  ])('Retry-After of %s is %s', (code, expected) => {
    expect(failing(code).header('retry-after')).toBe(expected)
  })
})

describe('kong.md §2.8 the type of an error', () => {
  const typeOf = (code: ErrorCode, given: PipelineGiven, headers: Record<string, string>) =>
    failing(code, given, headers).header('content-type')?.split(';')[0]

  test('mechanism A: by Accept alone', () => {
    expect(typeOf('upstream_reset', {}, {})).toBe('application/json')
    expect(typeOf('upstream_reset', {}, { 'Content-Type': 'text/html' })).toBe('application/json')
    expect(typeOf('upstream_reset', {}, { Accept: 'text/html' })).toBe('text/html')
  })

  test('mechanism B, under compatibility: kong, for what nginx raises there', () => {
    const kong: PipelineGiven = { compatibility: 'kong' }
    expect(typeOf('upstream_reset', kong, {})).toBe('text/plain')
    expect(typeOf('body_too_large', kong, { 'Content-Type': 'application/json' })).toBe(
      'application/json',
    )
    expect(typeOf('upstream_timeout', kong, { 'Content-Type': 'text/html' })).toBe('text/html')
    expect(typeOf('upstream_reset', kong, { Accept: '*/*', 'Content-Type': 'text/html' })).toBe(
      'application/json',
    )
  })

  test('mechanism A there as well for what Kong itself raises', () => {
    const kong: PipelineGiven = { compatibility: 'kong' }
    for (const code of ['internal', 'no_service', 'upstream_name_resolution'] as const) {
      expect(typeOf(code, kong, { 'Content-Type': 'text/html' })).toBe('application/json')
    }
  })

  test('mechanism A for what a plugin refuses, also with a code that nginx has', () => {
    const refusal = refuse(413, 'body_too_large', 'Request size limit exceeded')
    const client = givenPipeline({
      compatibility: 'kong',
      plugins: [{ access: () => refusal }],
    }).request({ headers: { 'Content-Type': 'text/html' } })
    expect(client.header('content-type')).toBe('application/json; charset=utf-8')
  })
})
