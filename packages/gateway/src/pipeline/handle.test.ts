import { refuse, type Exchange, type Outcome, type Plugin } from '@pratu/plugin-kit'
import { givenBody } from '@pratu/plugin-kit/testing'
import { describe, expect, test } from 'vitest'
import { GatewayError } from '../errors/index.ts'
import { givenPipeline, type PluginGiven } from './testing/given-pipeline.ts'
import { RecordingClient } from './testing/recording-client.ts'

/** A plugin that has every phase and notes in `calls` when each of them runs. */
function tracing(
  name: string,
  priority: number,
  calls: string[],
  access?: Plugin['access'],
): PluginGiven {
  const note = (phase: string): void => void calls.push(`${name} ${phase}`)
  return {
    name,
    priority,
    rewrite: () => note('rewrite') as undefined,
    access: (exchange) => {
      note('access')
      return access?.(exchange)
    },
    responseHeaders: () => note('headers'),
    responseBody: () => {
      note('body')
      return undefined
    },
    log: () => note('log'),
  }
}

const tick = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve))

describe('kong.md §2.10 the order of phases', () => {
  test('rewrite, access, then headers, body and log of the answer, each by priority', () => {
    const calls: string[] = []
    const pipeline = givenPipeline({
      plugins: [tracing('low', 1, calls), tracing('high', 2, calls)],
    })
    const client = pipeline.request()
    calls.push('upstream')
    pipeline.upstream.call.answer(200, [], 'hello')
    expect(calls).toEqual([
      'high rewrite',
      'low rewrite',
      'high access',
      'low access',
      'upstream',
      'high headers',
      'low headers',
      'high body',
      'low body',
      'high log',
      'low log',
    ])
    expect([client.status, client.body, client.ended]).toEqual([200, 'hello', true])
  })

  test('rewrite is for global plugins; the others begin with access', () => {
    const calls: string[] = []
    const { routeId } = { routeId: '00000000-0000-4000-8000-00000000000a' }
    const pipeline = givenPipeline({
      plugins: [{ ...tracing('routed', 1, calls), routeId }, tracing('global', 2, calls)],
    })
    pipeline.request()
    expect(calls.filter((call) => call.endsWith('rewrite'))).toEqual(['global rewrite'])
    expect(calls).toContain('routed access')
  })

  test('all of it is one synchronous call while no plugin waits', () => {
    const pipeline = givenPipeline({ plugins: [tracing('a', 1, [])] })
    pipeline.request()
    expect(pipeline.upstream.calls).toHaveLength(1)
  })

  test('a plugin that waits makes the later ones wait', async () => {
    const calls: string[] = []
    const slow = tracing('slow', 2, calls, async () => {
      await tick()
      calls.push('waited')
      return undefined
    })
    const pipeline = givenPipeline({ plugins: [slow, tracing('next', 1, calls)] })
    pipeline.request()
    expect(calls).not.toContain('next access')
    await tick()
    await tick()
    expect(calls.slice(-2)).toEqual(['waited', 'next access'])
    expect(pipeline.upstream.calls).toHaveLength(1)
  })
})

describe('kong.md §2.10 a plugin that answers', () => {
  const denied = refuse(403, 'denied', 'You shall not pass', { 'X-Why': 'because' })

  test.each([
    ['at once', () => denied],
    ['later', () => Promise.resolve(denied)],
  ])(
    '%s: no later access, no upstream, but all later phases of all plugins',
    async (_when, access) => {
      const calls: string[] = []
      const pipeline = givenPipeline({
        plugins: [tracing('a', 3, calls), tracing('b', 2, calls, access), tracing('c', 1, calls)],
      })
      const client = pipeline.request()
      await tick()
      expect(calls.slice(3)).toEqual([
        'a access',
        'b access',
        'a headers',
        'b headers',
        'c headers',
        'a body',
        'b body',
        'c body',
        'a log',
        'b log',
        'c log',
      ])
      expect(pipeline.upstream.calls).toHaveLength(0)
      expect([client.status, client.header('x-why')]).toEqual([403, 'because'])
      expect(client.body).toContain('"message":"You shall not pass"')
      expect(pipeline.settled.map(({ outcome }) => outcome)).toEqual(['rejected_denied'])
    },
  )

  test('in rewrite: nothing is routed, and only global plugins see the answer', () => {
    const calls: string[] = []
    const pipeline = givenPipeline({
      plugins: [
        { name: 'gate', priority: 9, rewrite: () => denied },
        tracing('global', 1, calls),
        { ...tracing('routed', 2, calls), routeId: '00000000-0000-4000-8000-00000000000a' },
      ],
    })
    expect(pipeline.request().status).toBe(403)
    expect(calls).toEqual(['global headers', 'global body', 'global log'])
    expect(pipeline.settled[0]?.bound).toBeUndefined()
  })

  test('a complete answer is sent as it is', () => {
    const answer = {
      kind: 'answer',
      status: 207,
      headers: { 'X-List': ['a', 'b'], 'Content-Type': 'text/x' },
      body: Buffer.from('as it is'),
    } as const
    const pipeline = givenPipeline({ plugins: [{ access: () => answer }] })
    const client = pipeline.request()
    expect(client.status).toBe(207)
    expect(client.headers?.all('x-list')).toEqual(['a', 'b'])
    expect(client.header('content-length')).toBe('8')
    expect(client.body).toBe('as it is')
    expect(pipeline.settled.map(({ outcome, source }) => [outcome, source])).toEqual([
      ['ok', 'kong'],
    ])
  })
})

describe('kong.md §2.5 what the route decides', () => {
  test('no route: 404, and the global plugins still see the response', () => {
    const calls: string[] = []
    const pipeline = givenPipeline({ plugins: [tracing('global', 1, calls)] })
    const client = pipeline.request({ target: '/elsewhere' })
    expect(client.status).toBe(404)
    expect(client.body).toContain('"message":"no Route matched with those values"')
    expect(calls).toEqual(['global rewrite', 'global headers', 'global body', 'global log'])
    expect(pipeline.settled[0]?.outcome).toBe('rejected_no_route')
  })

  test('a route without a service: its plugins run first, then 503', () => {
    const calls: string[] = []
    const pipeline = givenPipeline({ service: null, plugins: [tracing('global', 1, calls)] })
    const client = pipeline.request()
    expect([client.status, calls.includes('global access')]).toEqual([503, true])
    expect(client.body).toContain('"message":"no Service found with those values"')
  })

  test('https only: 426 with the way out, before any plugin of the route', () => {
    const calls: string[] = []
    const pipeline = givenPipeline({
      route: { protocols: ['https'] },
      plugins: [
        { ...tracing('routed', 2, calls), routeId: '00000000-0000-4000-8000-00000000000a' },
        tracing('global', 1, calls),
      ],
    })
    const client = pipeline.request()
    expect(client.status).toBe(426)
    expect(client.body).toContain('"message":"Please use HTTPS protocol"')
    expect([client.header('connection'), client.header('upgrade')]).toEqual([
      'Upgrade',
      'TLS/1.2, HTTP/1.1',
    ])
    expect(calls).toEqual(['global rewrite', 'global headers', 'global body', 'global log'])
  })

  test.each([301, 302, 307, 308] as const)(
    'https only with %i: where to, and no body',
    (status) => {
      const pipeline = givenPipeline({
        route: { protocols: ['https'], httpsRedirectStatusCode: status },
      })
      const client = pipeline.request({ host: 'API.example.com:8000', target: '/a/%7Eb?x=1' })
      expect([client.status, client.body]).toEqual([status, ''])
      expect(client.header('location')).toBe('https://api.example.com/a/%7Eb?x=1')
    },
  )

  test.each([
    ['a trusted peer that terminated TLS', true, 200],
    ['anyone else who says so', false, 426],
  ])('https only, X-Forwarded-Proto: https of %s', (_who, peerTrusted, status) => {
    const pipeline = givenPipeline({ route: { protocols: ['https'] } })
    const client = pipeline.request({ peerTrusted, headers: { 'X-Forwarded-Proto': 'https' } })
    if (status === 200) pipeline.upstream.call.answer()
    expect(client.status).toBe(status)
  })

  test('an http-only route still accepts https', () => {
    const pipeline = givenPipeline({ route: { protocols: ['http'] } })
    const client = pipeline.request({ scheme: 'https' })
    pipeline.upstream.call.answer()
    expect(client.status).toBe(200)
  })

  test('F12 a declared length above the route’s limit is refused before any plugin asks for the body', () => {
    const pipeline = givenPipeline({ bodyLimitBytes: 4 })
    const client = pipeline.request({ method: 'POST', body: 'hello' })
    expect(client.status).toBe(413)
    expect(pipeline.upstream.calls).toHaveLength(0)
  })
})

describe('a plugin that throws', () => {
  const broken = (): never => {
    throw new Error('secret detail of 10.1.2.3')
  }

  function expectGeneric500(client: RecordingClient, failures: readonly unknown[]): void {
    expect(client.status).toBe(500)
    expect(JSON.parse(client.body)).toEqual({
      message: 'An unexpected error occurred',
      request_id: client.header('x-kong-request-id'),
    })
    expect(client.ended).toBe(true)
    expect(failures.map(String)).toContain('Error: secret detail of 10.1.2.3')
  }

  test.each<[string, Plugin]>([
    ['rewrite', { rewrite: broken }],
    ['access', { access: broken }],
    ['access, later', { access: () => Promise.resolve().then(broken) }],
    ['holds', { holds: broken }],
    ['admitted', { holds: () => [{ meter: METER, scope: 's', amount: 1 }], admitted: broken }],
    ['wrap', { wrap: () => broken }],
  ])(
    'in %s gives that one request a 500 with its id, and the next one is served',
    async (_phase, plugin) => {
      let breaks = true
      const calls: string[] = []
      const once = Object.fromEntries(
        Object.entries(plugin).map(([phase, run]) => [
          phase,
          phase === 'wrap'
            ? (next: (exchange: Exchange, out: unknown) => void) =>
                (exchange: Exchange, out: unknown) =>
                  breaks ? broken() : next(exchange, out)
            : (...args: unknown[]) =>
                breaks ? Reflect.apply(run, undefined, args) : phase === 'holds' ? [] : undefined,
        ]),
      )
      const pipeline = givenPipeline({ plugins: [once, tracing('other', 1, calls)] })
      const client = pipeline.request()
      await tick()
      expectGeneric500(client, pipeline.failures)
      expect(calls).toContain('other headers')
      expect(calls).toContain('other log')
      expect(pipeline.settled.map(({ outcome }) => outcome)).toEqual(['rejected_internal'])
      breaks = false
      const next = pipeline.request()
      await tick()
      pipeline.upstream.call.answer()
      expect(next.status).toBe(200)
      expect([pipeline.pins, pipeline.active.size]).toEqual([0, 0])
    },
  )

  test.each<[string, Plugin]>([
    ['responseHeaders', { responseHeaders: broken }],
    ['responseBody', { responseBody: broken }],
  ])('in %s of a proxied answer: a bare 500, and the upstream is let go', (_phase, plugin) => {
    const calls: string[] = []
    const pipeline = givenPipeline({ plugins: [plugin, tracing('other', 1, calls)] })
    const client = pipeline.request()
    pipeline.upstream.call.head(200, ['X-Upstream', 'yes'])
    expectGeneric500(client, pipeline.failures)
    expect(client.header('x-upstream')).toBeUndefined()
    expect(pipeline.upstream.call.cancelled).toBe(true)
    expect(calls).toContain('other log')
    expect(pipeline.settled.map(({ outcome }) => outcome)).toEqual(['rejected_internal'])
  })

  test.each<[string, Plugin]>([
    ['responseHeaders', { responseHeaders: broken }],
    ['responseBody', { responseBody: broken }],
    ['the write of a filter', { responseBody: () => ({ write: broken, end: () => undefined }) }],
    ['the end of a filter', { responseBody: () => ({ write: () => undefined, end: broken }) }],
  ])('in %s of a refusal: the client is not left waiting', (_phase, plugin) => {
    const pipeline = givenPipeline({ plugins: [plugin] })
    const client = pipeline.request({ target: '/elsewhere' })
    expect(client.ended || client.failure !== undefined).toBe(true)
    expect(pipeline.settled).toHaveLength(1)
    expect([pipeline.pins, pipeline.active.size]).toEqual([0, 0])
  })

  test.each([
    ['write', { write: broken, end: () => undefined }],
    ['end', { write: (chunk: Uint8Array) => chunk, end: broken }],
  ])('in the %s of a body filter: the message breaks off visibly', (_call, filter) => {
    let abandoned = 0
    const pipeline = givenPipeline({
      plugins: [
        {
          name: 'other',
          responseBody: () => ({
            write: (chunk) => chunk,
            end: () => undefined,
            abandon: () => void abandoned++,
          }),
        },
        { name: 'broken', responseBody: () => filter },
      ],
    })
    const client = pipeline.request()
    const { call } = pipeline.upstream
    call.head()
    call.data('part')
    if (client.failure === undefined) call.end()
    expect([client.status, client.ended]).toEqual([200, false])
    expect(client.failure).toBeInstanceOf(Error)
    expect([call.cancelled, abandoned]).toEqual([true, 1])
    expect(pipeline.settled.map(({ outcome }) => outcome)).toEqual(['truncated'])
  })

  test('in log: the others still run', () => {
    const calls: string[] = []
    const pipeline = givenPipeline({
      plugins: [{ name: 'a', priority: 2, log: broken }, tracing('b', 1, calls)],
    })
    pipeline.request({ target: '/elsewhere' })
    expect(calls).toContain('b log')
    expect(pipeline.failures).toHaveLength(1)
    expect([pipeline.pins, pipeline.active.size]).toEqual([0, 0])
  })

  test('in abandon or a cancel listener: the upstream is cancelled and the exchange settles', () => {
    const pipeline = givenPipeline({
      plugins: [
        {
          access: (exchange) => {
            exchange.onCancel(broken)
            return undefined
          },
          responseBody: () => ({ write: (chunk) => chunk, end: () => undefined, abandon: broken }),
        },
      ],
    })
    const client = pipeline.request()
    pipeline.upstream.call.head()
    client.depart()
    expect(pipeline.upstream.call.cancelled).toBe(true)
    expect(pipeline.settled.map(({ outcome }) => outcome)).toEqual(['client_cancelled'])
    expect(pipeline.failures).toHaveLength(2)
    expect([pipeline.pins, pipeline.active.size]).toEqual([0, 0])
  })

  test('with a documented error: that status, and nothing is reported as a defect', () => {
    const pipeline = givenPipeline({
      plugins: [
        {
          access: () => {
            throw new GatewayError('json_too_deep')
          },
        },
      ],
    })
    const client = pipeline.request()
    expect([client.status, pipeline.failures.length]).toEqual([400, 0])
    expect(pipeline.settled[0]?.outcome).toBe('rejected_json_too_deep')
  })
})

const METER = {
  definition: {
    id: 'm',
    quantity: 'requests',
    window: { kind: 'calendar', period: 'minute' },
    limit: 10,
  },
} as const

describe('a client that goes away', () => {
  test('while a plugin waits: nothing is sent upstream, log runs once', async () => {
    const outcomes: Outcome[] = []
    let release = (): void => undefined
    const pipeline = givenPipeline({
      plugins: [
        {
          access: () => new Promise((resolve) => (release = () => resolve(undefined))),
          log: (_exchange, outcome) => void outcomes.push(outcome),
        },
      ],
    })
    const client = pipeline.request()
    client.depart()
    release()
    await tick()
    expect(pipeline.upstream.calls).toHaveLength(0)
    expect(outcomes).toEqual(['client_cancelled'])
    expect([pipeline.pins, pipeline.active.size]).toEqual([0, 0])
  })

  test('F05 before the first byte: the upstream is cancelled', () => {
    const pipeline = givenPipeline()
    pipeline.request().depart()
    expect(pipeline.upstream.call.cancelled).toBe(true)
    expect(pipeline.settled[0]?.outcome).toBe('client_cancelled')
  })

  test('F03 a reader that takes nothing is told apart', () => {
    const pipeline = givenPipeline()
    const client = pipeline.request()
    pipeline.upstream.call.head()
    client.depart('client_stalled')
    expect(pipeline.settled[0]?.outcome).toBe('client_stalled')
  })

  test('after it was refused: it stays refused', () => {
    const client = new RecordingClient()
    client.flushesAtOnce = false
    const pipeline = givenPipeline({ plugins: [{ access: () => refuse(403, 'denied', 'no') }] })
    pipeline.request({}, client)
    expect(pipeline.settled).toHaveLength(0)
    client.depart()
    expect(pipeline.settled.map(({ outcome }) => outcome)).toEqual(['rejected_denied'])
  })
})

describe('F48 an exchange that the gateway itself must end', () => {
  const shutdown = new GatewayError('server_shutting_down')

  test('while a plugin waits: answered at once, and what the plugin says later changes nothing', async () => {
    let release = (): void => undefined
    const pipeline = givenPipeline({
      plugins: [{ access: () => new Promise((resolve) => (release = () => resolve(undefined))) }],
    })
    const client = pipeline.request()
    for (const exchange of pipeline.active.toArray()) exchange.interrupt(shutdown)
    expect([client.status, client.header('retry-after')]).toEqual([503, '1'])
    release()
    await tick()
    expect(pipeline.upstream.calls).toHaveLength(0)
    expect(pipeline.settled[0]?.outcome).toBe('rejected_server_shutting_down')
  })

  test('while its body arrives: the same', async () => {
    const body = givenBody('hello', { pending: true })
    const pipeline = givenPipeline()
    const client = pipeline.request({ method: 'POST', body })
    for (const exchange of pipeline.active.toArray()) exchange.interrupt(shutdown)
    await tick()
    expect([client.status, pipeline.upstream.calls.length]).toEqual([503, 0])
  })

  test('in the middle of an answer: the message breaks off, the upstream is cancelled', () => {
    const pipeline = givenPipeline()
    const client = pipeline.request()
    pipeline.upstream.call.head()
    pipeline.upstream.call.data('part')
    for (const exchange of pipeline.active.toArray()) exchange.interrupt(shutdown)
    expect([client.ended, client.failure?.message]).toEqual([false, 'The gateway is shutting down'])
    expect(pipeline.upstream.call.cancelled).toBe(true)
    expect(pipeline.settled[0]?.outcome).toBe('truncated')
  })
})

test('F54 the snapshot is pinned from the head to the last byte', () => {
  const client = new RecordingClient()
  client.flushesAtOnce = false
  const pipeline = givenPipeline()
  pipeline.request({}, client)
  expect(pipeline.pins).toBe(1)
  pipeline.upstream.call.answer(200, [], 'x')
  expect([pipeline.pins, pipeline.settled.length]).toEqual([1, 0])
  client.flush()
  expect([pipeline.pins, pipeline.settled.length]).toEqual([0, 1])
})
