import { givenExchange, type ExchangeGiven } from '@pratu/plugin-kit/testing'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { HeaderList } from '../http/index.ts'
import { createAccessLog, createNoAccessLog } from './access-log.ts'
import type { LoggedExchange } from './access-record.ts'
import type { LogSink } from './log-sink.ts'
import { Redactor } from './redaction.ts'

function given(format: 'json' | 'text' = 'json') {
  const lines: string[] = []
  const sink: LogSink = {
    terminal: false,
    write: (text) => lines.push(text),
    flush: () => Promise.resolve(),
    flushSync: () => undefined,
    close: () => undefined,
  }
  const redactor = new Redactor()
  const log = createAccessLog({ sink, redactor, format })
  const logged = (exchange: LoggedExchange): Record<string, unknown> => {
    log.exchange(exchange)
    const record: Record<string, unknown> = JSON.parse(lines.at(-1) ?? '')
    return record
  }
  return { log, lines, redactor, logged }
}

function exchangeOf(exchange: ExchangeGiven, more: Partial<LoggedExchange> = {}): LoggedExchange {
  const made = givenExchange(exchange)
  return { ...made, outcome: 'ok', tries: [], annotations: made.annotations, ...more }
}

describe("kong.md §3.16 Kong's log record", () => {
  test('has its fields, with its names and units, and ours', () => {
    const { logged } = given()
    const record = logged(
      exchangeOf(
        {
          id: '0123456789abcdef0123456789abcdef',
          method: 'POST',
          target: '/v1/chat?a=1&b=x%20y&a=2&flag',
          host: 'gw.test:8000',
          headers: [
            ['Content-Type', 'application/json'],
            ['X-Twice', 'one'],
            ['x-twice', 'two'],
          ],
          clientIp: '203.0.113.9',
          route: { id: 'r1', name: 'chat' },
          service: { id: 's1', name: 'llm', host: 'api.test' },
          consumer: { id: 'c1', username: 'alice', customId: 'a-1' },
          credential: { id: 'k1' },
          record: {
            requestLatencyMs: 181.4,
            proxyLatencyMs: 1.2,
            upstreamLatencyMs: 170.6,
            requestBytes: 300,
            responseBytes: 900,
          },
        },
        {
          tries: [
            {
              host: '10.0.0.1',
              port: 443,
              startedAtMs: 1_700_000_000_001,
              status: 200,
              error: undefined,
            },
          ],
          responseHeaders: new HeaderList([
            'Content-Type',
            'text/plain',
            'Set-Cookie',
            'session=1',
          ]),
          annotations: new Map<string, unknown>([
            ['ai', { model: 'gpt-4.1', usage: { prompt_tokens: 3 } }],
            ['correlation_id', 'abc'],
            ['request', 'forged'],
          ]),
        },
      ),
    )
    expect(record).toEqual({
      started_at: Date.UTC(2026, 4, 12, 12, 0, 0),
      client_ip: '203.0.113.9',
      request: {
        id: '0123456789abcdef0123456789abcdef',
        method: 'POST',
        uri: '/v1/chat?a=1&b=x%20y&a=2&flag',
        url: 'http://gw.test:8000/v1/chat?a=1&b=x%20y&a=2&flag',
        querystring: { a: ['1', '2'], b: 'x y', flag: true },
        headers: {
          'content-type': 'application/json',
          'x-twice': ['one', 'two'],
          host: 'gw.test:8000',
        },
        size: 300,
      },
      upstream_uri: '/v1/chat?a=1&b=x%20y&a=2&flag',
      upstream_status: '200',
      response: {
        status: 200,
        size: 900,
        headers: { 'content-type': 'text/plain', 'set-cookie': 'REDACTED' },
      },
      latencies: { kong: 1, proxy: 171, request: 181, receive: 10 },
      tries: [{ balancer_start: 1_700_000_000_001, ip: '10.0.0.1', port: 443, code: 200 }],
      route: { id: 'r1', name: 'chat', tags: [] },
      service: { id: 's1', name: 'llm', host: 'api.test', tags: [] },
      consumer: { id: 'c1', username: 'alice', custom_id: 'a-1', tags: [] },
      authenticated_entity: { id: 'k1' },
      source: 'upstream',
      workspace: '0dc6f45b-8f8d-40d2-a504-473544ee190b',
      workspace_name: 'default',
      outcome: 'ok',
      generation: 1,
      ai: { model: 'gpt-4.1', usage: { prompt_tokens: 3 } },
      correlation_id: 'abc',
    })
  })

  test('proxy is -1 and there is no upstream when nothing was proxied', () => {
    const { logged } = given()
    const record = logged(
      exchangeOf(
        {
          route: null,
          service: null,
          record: {
            status: 404,
            source: 'kong',
            upstreamStatus: undefined,
            proxyLatencyMs: -1,
            upstreamLatencyMs: -1,
            requestLatencyMs: 2,
          },
        },
        { outcome: 'rejected_no_route' },
      ),
    )
    expect(record).toMatchObject({
      latencies: { kong: 2, proxy: -1, request: 2, receive: 0 },
      source: 'kong',
      outcome: 'rejected_no_route',
    })
    for (const absent of ['upstream_uri', 'upstream_status', 'route', 'service', 'consumer']) {
      expect(record).not.toHaveProperty(absent)
    }
  })

  test('a failed try says so', () => {
    const { logged } = given()
    const tries = [
      { host: 'a', port: 1, startedAtMs: 5, status: undefined, error: 'upstream_unreachable' },
    ]
    expect(logged(exchangeOf({}, { tries }))['tries']).toEqual([
      { balancer_start: 5, ip: 'a', port: 1, state: 'failed', error: 'upstream_unreachable' },
    ])
  })
})

describe('S22 credentials in the access log', () => {
  const CANARY = 'canary-0123456789'

  test.each([
    'Authorization',
    'Proxy-Authorization',
    'x-api-key',
    'apikey',
    'API-Key',
    'x-goog-api-key',
    'Cookie',
    'X-Amz-Security-Token',
  ])('the header %s is redacted', (name) => {
    const { log, lines } = given()
    log.exchange(exchangeOf({ headers: { [name]: CANARY } }))
    expect(lines[0]).not.toContain(CANARY)
    expect(lines[0]).toContain(`"${name.toLowerCase()}":"REDACTED"`)
  })

  test.each([
    'key',
    'apikey',
    'api_key',
    'access_token',
    'API-KEY',
    'api%5Fkey',
    'X-Amz-Signature',
  ])('the query parameter %s is redacted in uri, url, querystring and upstream_uri', (name) => {
    const { log, lines } = given()
    log.exchange(exchangeOf({ target: `/v1?x=1&${name}=${CANARY}&y=2` }))
    expect(lines[0]).not.toContain(CANARY)
    expect(lines[0]).toContain('x=1&')
    expect(lines[0]).toContain('&y=2')
  })

  test('names that the configuration reads keys from are redacted too, also on a terminal', () => {
    for (const format of ['json', 'text'] as const) {
      const { log, lines, redactor } = given(format)
      redactor.useNames(['X-Team-Key', 'team'])
      log.exchange(exchangeOf({ headers: { 'x-team-key': CANARY }, target: `/?team=${CANARY}` }))
      expect(lines[0]).not.toContain(CANARY)
    }
  })
})

test('S20 whatever a client sends, a line is one line of valid JSON', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary', maxLength: 60 }),
      fc.string({ unit: 'binary', maxLength: 60 }),
      (query, value) => {
        const { log, lines } = given()
        const headers = new HeaderList(['X-Any', value, '__proto__', 'x'])
        const exchange = exchangeOf(
          { target: `/?${query}` },
          {
            responseHeaders: headers,
            annotations: new Map([['ai', { model: value }]]),
          },
        )
        log.exchange(exchange)
        expect(lines[0]?.indexOf('\n')).toBe((lines[0]?.length ?? 0) - 1)
        const record: unknown = JSON.parse(lines[0] ?? '')
        expect(record).toMatchObject({ ai: { model: expect.any(String) } })
      },
    ),
    { numRuns: 300 },
  )
})

test('off builds nothing', () => {
  const log = createNoAccessLog()
  expect(log.enabled).toBe(false)
  const untouchable: LoggedExchange = {
    ...exchangeOf({}),
    get request(): never {
      throw new Error('the exchange was looked at')
    },
  }
  expect(() => log.exchange(untouchable)).not.toThrow()
})

test('a terminal gets a short line; the admin port is marked', () => {
  const { log, lines } = given('text')
  log.exchange(
    exchangeOf({
      method: 'POST',
      target: '/v1/chat?key=abc',
      route: { name: 'chat' },
      consumer: { username: 'alice' },
    }),
  )
  log.admin({
    startedAtMs: 0,
    clientIp: '127.0.0.1',
    method: 'GET',
    target: '/config?token=abc',
    status: 200,
    responseBytes: 5,
    latencyMs: 1,
  })
  expect(lines[0]).toContain('POST /v1/chat?key=REDACTED 12ms 200B chat alice\n')
  expect(lines[1]).toContain('admin GET /config?token=REDACTED 1ms\n')
})

test('an admin request is a line with the fields that it has', () => {
  const { log, lines } = given()
  log.admin({
    startedAtMs: 5,
    clientIp: '127.0.0.1',
    method: 'POST',
    target: '/config?check_hash=1',
    status: 201,
    responseBytes: 50,
    latencyMs: 7.4,
  })
  expect(JSON.parse(lines[0] ?? '')).toEqual({
    started_at: 5,
    client_ip: '127.0.0.1',
    request: { method: 'POST', uri: '/config?check_hash=1' },
    response: { status: 201, size: 50 },
    latencies: { request: 7 },
    listener: 'admin',
  })
})
