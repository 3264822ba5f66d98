import type { BodyFilter } from '@pratu/plugin-kit'
import { describe, expect, test } from 'vitest'
import { givenPipeline, type GivenPipeline, type PluginGiven } from './testing/given-pipeline.ts'
import { RecordingClient } from './testing/recording-client.ts'

const upper: BodyFilter = {
  write: (chunk) => Buffer.from(Buffer.from(chunk).toString().toUpperCase()),
  end: () => undefined,
}

/** Holds everything until the end, as a JSON transformation does. */
function holding(): BodyFilter {
  const held: Uint8Array[] = []
  return {
    write: (chunk) => void held.push(chunk) as undefined,
    end: () => Buffer.from(`<${Buffer.concat(held).toString()}>`),
  }
}

function filtering(...filters: readonly (BodyFilter | (() => BodyFilter))[]): GivenPipeline {
  return givenPipeline({
    plugins: filters.map((filter, i): PluginGiven => ({
      name: `filter-${i}`,
      priority: filters.length - i,
      responseBody: () => (typeof filter === 'function' ? filter() : filter),
    })),
  })
}

describe('kong.md §2.10 body filters', () => {
  test('each sees what the one before passed on, chunk by chunk', () => {
    const pipeline = filtering(upper, {
      write: (chunk) => Buffer.from(`[${Buffer.from(chunk).toString()}]`),
      end: () => Buffer.from('.'),
    })
    const client = pipeline.request()
    pipeline.upstream.call.head()
    pipeline.upstream.call.data('a')
    pipeline.upstream.call.data('b')
    expect(client.body).toBe('[A][B]')
    pipeline.upstream.call.end()
    expect(client.body).toBe('[A][B].')
  })

  test('what the end of one gives goes through those behind it, before their own end', () => {
    const pipeline = filtering(holding, upper)
    const client = pipeline.request()
    pipeline.upstream.call.answer(200, [], 'abc')
    expect(client.body).toBe('<ABC>')
  })

  test('a filter that may change bytes takes Content-Length away', () => {
    const pipeline = filtering(upper)
    const client = pipeline.request()
    pipeline.upstream.call.answer(200, ['Content-Length', '3'], 'abc')
    expect(client.header('content-length')).toBeUndefined()
  })

  test('one that only looks leaves it', () => {
    const seen: string[] = []
    const pipeline = filtering({
      transparent: true,
      write: (chunk) => {
        seen.push(Buffer.from(chunk).toString())
        return chunk
      },
      end: () => undefined,
    })
    const client = pipeline.request()
    pipeline.upstream.call.answer(200, ['Content-Length', '3'], 'abc')
    expect([client.header('content-length'), client.body, seen]).toEqual(['3', 'abc', ['abc']])
  })

  test.each([
    ['HEAD', 'HEAD', 200],
    ['204', 'GET', 204],
    ['304', 'GET', 304],
  ])('%s has no body: no filter is opened, and Content-Length stays', (_what, method, status) => {
    let opened = 0
    const pipeline = filtering(() => {
      opened++
      return upper
    })
    const client = pipeline.request({ method })
    pipeline.upstream.call.answer(status, ['Content-Length', '5'])
    expect([client.status, client.header('content-length'), opened, client.ended]).toEqual([
      status,
      '5',
      0,
      true,
    ])
  })

  test('they see answers of the gateway’s own as well', () => {
    const pipeline = filtering(upper)
    expect(pipeline.request({ target: '/elsewhere' }).body).toContain('NO ROUTE MATCHED')
  })

  test.each([
    ['the client leaves', (_pipeline: GivenPipeline, client: RecordingClient) => client.depart()],
    [
      'the upstream breaks',
      ({ upstream }: GivenPipeline) => upstream.call.fail('upstream_truncated'),
    ],
  ])('are told when %s, once each, and their end is never called', (_what, breaks) => {
    const calls: string[] = []
    const noting = (name: string): BodyFilter => ({
      write: (chunk) => chunk,
      end: () => void calls.push(`${name} end`) as undefined,
      abandon: () => void calls.push(`${name} abandon`),
    })
    const pipeline = filtering(noting('a'), noting('b'))
    const client = pipeline.request()
    pipeline.upstream.call.head()
    pipeline.upstream.call.data('part')
    breaks(pipeline, client)
    client.depart()
    expect(calls).toEqual(['a abandon', 'b abandon'])
  })

  test('are not told to give up what they have completed', () => {
    const calls: string[] = []
    const client = new RecordingClient()
    client.flushesAtOnce = false
    const pipeline = filtering({
      write: (chunk) => chunk,
      end: () => void calls.push('end') as undefined,
      abandon: () => void calls.push('abandon'),
    })
    pipeline.request({}, client)
    pipeline.upstream.call.answer(200, [], 'x')
    client.depart()
    expect(calls).toEqual(['end'])
  })
})

describe('F04 back-pressure', () => {
  test('a client that is behind pauses the upstream, and resumes it when it has caught up', () => {
    const pipeline = givenPipeline()
    const client = pipeline.request()
    const { call } = pipeline.upstream
    call.head()
    expect(call.data('a')).toBe(true)
    client.keepsUp = false
    expect(call.data('b')).toBe(false)
    expect(call.resumed).toBe(0)
    client.drain()
    expect(call.resumed).toBe(1)
    expect(call.data('c')).toBe(true)
  })

  test('a filter that holds bytes back does not pause it', () => {
    const pipeline = filtering(holding)
    const client = pipeline.request()
    pipeline.upstream.call.head()
    client.keepsUp = false
    expect(pipeline.upstream.call.data('a')).toBe(true)
  })
})

describe('the upstream fails', () => {
  test('before its head: the catalogue’s answer, which names nothing', () => {
    const pipeline = givenPipeline()
    const client = pipeline.request()
    pipeline.upstream.call.fail('upstream_unreachable')
    expect(client.status).toBe(502)
    expect(client.body).toContain('An invalid response was received from the upstream server')
    expect(client.body).not.toContain('10.1.2.3')
    expect(pipeline.settled.map(({ outcome, source }) => [outcome, source])).toEqual([
      ['upstream_error', 'kong'],
    ])
    expect(pipeline.failures).toEqual([])
    expect(pipeline.settled[0]?.annotations?.get('error')).toEqual({
      code: 'upstream_unreachable',
      cause: '10.1.2.3 upstream_unreachable',
      request_sent: 'all',
      response_bytes: 0,
    })
  })

  test.each([
    ['upstream_timeout', 504, 'upstream_timeout'],
    ['upstream_connect_timeout', 504, 'upstream_timeout'],
    ['upstream_name_resolution', 503, 'upstream_error'],
    ['upstream_truncated', 502, 'truncated'],
  ] as const)('%s is %i, outcome %s', (code, status, outcome) => {
    const pipeline = givenPipeline()
    const client = pipeline.request()
    pipeline.upstream.call.fail(code)
    expect([client.status, pipeline.settled[0]?.outcome]).toEqual([status, outcome])
  })

  test.each([
    ['upstream_truncated', 'truncated'],
    ['upstream_idle_timeout', 'upstream_timeout'],
  ] as const)(
    'F24 after its head with %s: the message breaks off, never ends cleanly',
    (code, outcome) => {
      const pipeline = givenPipeline()
      const client = pipeline.request()
      pipeline.upstream.call.head(200, ['Content-Length', '100'])
      pipeline.upstream.call.data('half')
      pipeline.upstream.call.fail(code)
      expect([client.body, client.ended, client.failure !== undefined]).toEqual([
        'half',
        false,
        true,
      ])
      expect(pipeline.settled[0]?.outcome).toBe(outcome)
    },
  )
})
