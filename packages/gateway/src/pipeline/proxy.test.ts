import { givenBody } from '@pratu/plugin-kit/testing'
import { describe, expect, test } from 'vitest'
import { GatewayError } from '../errors/index.ts'
import { givenPipeline } from './testing/given-pipeline.ts'

const post = { method: 'POST' } as const
const tick = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve))
const text = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? '').toString()

describe('kong.md §2.8 the request body', () => {
  test('without one nothing is sent', () => {
    const pipeline = givenPipeline()
    pipeline.request()
    const { body, stream } = pipeline.upstream.call.request
    expect([body, stream]).toEqual([undefined, undefined])
  })

  test('is complete before the upstream is called', async () => {
    const pipeline = givenPipeline()
    pipeline.request({ ...post, body: givenBody('hello', { pending: true }) })
    expect(pipeline.upstream.calls).toHaveLength(0)
    await tick()
    const { body, stream } = pipeline.upstream.call.request
    expect([text(body), stream]).toEqual(['hello', undefined])
  })

  test('that has arrived goes out in the same turn', () => {
    const pipeline = givenPipeline()
    pipeline.request({ ...post, body: 'hello' })
    expect(text(pipeline.upstream.call.request.body)).toBe('hello')
  })

  test('above the buffer is piped', () => {
    const pipeline = givenPipeline()
    pipeline.request({ ...post, body: 'x'.repeat(1025) })
    const { body, stream } = pipeline.upstream.call.request
    expect([body, stream?.declaredBytes]).toEqual([undefined, 1025])
  })

  test('with request_buffering: false is piped from its first byte', () => {
    const pipeline = givenPipeline({ route: { requestBuffering: false } })
    pipeline.request({ ...post, body: 'hello' })
    expect(pipeline.upstream.call.request.stream?.declaredBytes).toBe(5)
  })

  test('is what the plugins have made of it', () => {
    const pipeline = givenPipeline({
      plugins: [
        {
          access: ({ request, upstream }) => {
            request.body.replace(Buffer.from('changed'))
            upstream.method = 'PUT'
            upstream.path = '/other'
            upstream.query = '?x'
            upstream.headers.set('X-Own', '1')
            upstream.headers.set('Host', 'chosen.test')
            return undefined
          },
        },
      ],
    })
    pipeline.request({ ...post, body: 'hello' })
    const { request, fields } = pipeline.upstream.call
    expect([request.method, request.path, request.host]).toEqual(['PUT', '/other?x', 'chosen.test'])
    expect(text(request.body)).toBe('changed')
    expect(fields['x-own']).toBe('1')
  })

  test('S20 that cannot be read is the client’s fault, told by its own status', () => {
    const pipeline = givenPipeline({ route: { requestBuffering: false } })
    const client = pipeline.request({ ...post, body: 'hello' })
    pipeline.upstream.call.fail('internal', new GatewayError('request_timeout'))
    expect([client.status, pipeline.settled[0]?.outcome]).toEqual([408, 'rejected_request_timeout'])
  })
})

test('kong.md §2.8 Host is the client’s own with preserve_host, else the target’s', () => {
  const kept = givenPipeline({ route: { preserveHost: true } })
  kept.request({ host: 'Own.test:81' })
  expect(kept.upstream.call.request.host).toBe('Own.test:81')
  const replaced = givenPipeline()
  replaced.request({ host: 'Own.test:81' })
  expect(replaced.upstream.call.request.host).toBeUndefined()
})

test('an upstream that cannot even be called is a 500, not a crash', () => {
  const pipeline = givenPipeline()
  pipeline.upstream.broken = new TypeError('no such pool')
  const client = pipeline.request()
  expect([client.status, client.ended]).toEqual([500, true])
})

test('what is recorded of a proxied exchange', () => {
  const pipeline = givenPipeline()
  pipeline.request()
  pipeline.upstream.call.sending()
  pipeline.upstream.call.answer(203, ['Content-Type', 'text/event-stream'], 'x')
  const [exchange] = pipeline.settled
  expect(exchange).toMatchObject({ source: 'service', outcome: 'ok', eventStream: true })
  expect(exchange?.record).toMatchObject({ status: 203, upstreamStatus: 203, responseBytes: 1 })
  const { requestLatencyMs, proxyLatencyMs, upstreamLatencyMs, firstByteLatencyMs } =
    exchange?.record ?? {}
  for (const ms of [requestLatencyMs, proxyLatencyMs, upstreamLatencyMs, firstByteLatencyMs]) {
    expect(ms).toBeGreaterThanOrEqual(0)
  }
})
