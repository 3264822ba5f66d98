import { refuse, type Hold, type Meter, type Plugin } from '@pratu/plugin-kit'
import { describe, expect, test } from 'vitest'
import { GatewayError, type ErrorCode } from '../errors/index.ts'
import {
  givenPipeline,
  ROUTE_ID,
  type GivenPipeline,
  type PipelineGiven,
  type PluginGiven,
} from './testing/given-pipeline.ts'
import { RecordingClient } from './testing/recording-client.ts'

const meter = (id: string): Meter => ({
  definition: {
    id,
    quantity: 'requests',
    window: { kind: 'calendar', period: 'minute' },
    limit: 10,
  },
})

/** A limiting plugin that notes what it is told. */
function limiter(
  name: string,
  priority: number,
  ids: readonly string[],
  calls: string[] = [],
): PluginGiven {
  const holds: readonly Hold[] = ids.map((id) => ({ meter: meter(id), scope: 'all', amount: 1 }))
  return {
    name,
    priority,
    holds: () => holds,
    admitted: (_exchange, remaining) =>
      void calls.push(`${name} admitted ${remaining.length} of ${remaining[0]?.limit}`),
    refused: (_exchange, { hold, meters }) => {
      calls.push(`${name} refused hold ${hold} of ${meters.length}`)
      return refuse(429, `limit_of_${name}`, 'too many')
    },
  }
}

const tick = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve))

describe('architecture §3.4a admission', () => {
  test('the holds of all limiting plugins are asked for at once, at the first one’s place', () => {
    const calls: string[] = []
    const step = (name: string, priority: number): PluginGiven => ({
      name,
      priority,
      access: () => void calls.push(name) as undefined,
    })
    const pipeline = givenPipeline({
      plugins: [
        step('before', 30),
        limiter('outer', 20, ['a', 'b'], calls),
        step('between', 15),
        limiter('inner', 10, ['c'], calls),
        step('after', 5),
      ],
    })
    pipeline.request()
    expect(calls).toEqual([
      'before',
      'outer admitted 2 of 10',
      'inner admitted 1 of 10',
      'between',
      'after',
    ])
    expect(
      pipeline.ledger.reserved.map(({ holds }) => holds.map((hold) => hold.meter.definition.id)),
    ).toEqual([['a', 'b', 'c']])
  })

  test.each([
    [0, 'outer refused hold 0 of 2'],
    [1, 'outer refused hold 1 of 2'],
    [2, 'inner refused hold 0 of 1'],
  ])(
    'refused by hold %i: its plugin answers, no later plugin runs, nothing was taken',
    (refusing, call) => {
      const calls: string[] = []
      const pipeline = givenPipeline({
        plugins: [
          limiter('outer', 20, ['a', 'b'], calls),
          limiter('inner', 10, ['c'], calls),
          { name: 'after', priority: 5, access: () => void calls.push('after') as undefined },
        ],
      })
      pipeline.ledger.refusing = refusing
      const client = pipeline.request()
      expect(client.status).toBe(429)
      expect(calls).toEqual([call])
      expect(pipeline.ledger.closings).toEqual([])
      expect(pipeline.upstream.calls).toHaveLength(0)
    },
  )

  test('a remote store may answer later; the plugins behind it wait', async () => {
    const calls: string[] = []
    const pipeline = givenPipeline({
      plugins: [
        limiter('limit', 20, ['a'], calls),
        { name: 'after', priority: 5, access: () => void calls.push('after') as undefined },
      ],
    })
    pipeline.ledger.remote = true
    pipeline.request()
    expect(calls).toEqual([])
    pipeline.ledger.answer()
    await tick()
    expect(calls).toEqual(['limit admitted 1 of 10', 'after'])
    pipeline.upstream.call.answer()
    expect(pipeline.ledger.closings).toEqual([undefined])
  })

  test('a client that leaves before a remote store has answered is given back what it took', async () => {
    const pipeline = givenPipeline({ plugins: [limiter('limit', 20, ['a', 'b'])] })
    pipeline.ledger.remote = true
    pipeline.request().depart()
    pipeline.ledger.answer()
    await tick()
    expect(pipeline.ledger.closings).toEqual([[0, 0]])
    expect(pipeline.upstream.calls).toHaveLength(0)
  })

  test('a plugin that holds nothing for this request is neither asked nor told', () => {
    const calls: string[] = []
    const pipeline = givenPipeline({
      plugins: [limiter('none', 20, [], calls), limiter('some', 10, ['a'], calls)],
    })
    pipeline.request()
    expect(calls).toEqual(['some admitted 1 of 10'])
  })

  test('a consumer’s own limit, selected by authentication, is the one that is asked for, once', () => {
    const consumer = { id: 'c1', username: 'c', customId: undefined, groups: [], tags: [] }
    const calls: string[] = []
    const pipeline = givenPipeline({
      plugins: [
        {
          name: 'auth',
          priority: 100,
          access: (exchange) => {
            exchange.identify(consumer, undefined)
            return undefined
          },
        },
        { ...limiter('limit', 50, ['everyone'], calls) },
        { ...limiter('limit', 50, ['own', 'more'], calls), consumerId: 'c1' },
      ],
    })
    pipeline.request()
    expect(calls).toEqual(['limit admitted 2 of 10'])
    expect(pipeline.ledger.reserved).toHaveLength(1)
  })
})

describe('F70 whatever way an exchange ends, its holds are closed exactly once', () => {
  const limit = limiter('limit', 50, ['a'])
  const broken = (): never => {
    throw new Error('broken')
  }
  const run = (given: PipelineGiven, plugins: readonly Plugin[] = []): GivenPipeline =>
    givenPipeline({
      ...given,
      plugins: [limit, ...plugins.map((plugin) => ({ ...plugin, priority: 10 }))],
    })

  const counted = [undefined]
  const ways: readonly [
    way: string,
    closings: unknown,
    () => Promise<GivenPipeline> | GivenPipeline,
  ][] = [
    [
      'answered',
      counted,
      () => {
        const pipeline = run({})
        pipeline.request()
        pipeline.upstream.call.answer(200, [], 'x')
        return pipeline
      },
    ],
    [
      'refused by a later plugin',
      counted,
      () => {
        const pipeline = run({}, [{ access: () => refuse(403, 'no', 'no') }])
        pipeline.request()
        return pipeline
      },
    ],
    [
      'a later plugin threw',
      counted,
      () => {
        const pipeline = run({}, [{ access: broken }])
        pipeline.request()
        return pipeline
      },
    ],
    [
      'the route has no service',
      counted,
      () => {
        const pipeline = run({ service: null })
        pipeline.request()
        return pipeline
      },
    ],
    [
      'the upstream failed before its head',
      counted,
      () => {
        const pipeline = run({})
        pipeline.request()
        pipeline.upstream.call.fail('upstream_reset')
        return pipeline
      },
    ],
    [
      'the upstream failed in its body',
      counted,
      () => {
        const pipeline = run({})
        pipeline.request()
        pipeline.upstream.call.head()
        pipeline.upstream.call.fail('upstream_truncated')
        return pipeline
      },
    ],
    [
      'the upstream could not even be called',
      counted,
      () => {
        const pipeline = run({})
        pipeline.upstream.broken = new Error('no such pool')
        pipeline.request()
        return pipeline
      },
    ],
    [
      'the client left before the first byte',
      counted,
      () => {
        const pipeline = run({})
        pipeline.request().depart()
        return pipeline
      },
    ],
    [
      'the client left after the first byte',
      counted,
      () => {
        const pipeline = run({})
        const client = pipeline.request()
        pipeline.upstream.call.head()
        pipeline.upstream.call.data('x')
        client.depart()
        return pipeline
      },
    ],
    [
      'the client stalled',
      counted,
      () => {
        const pipeline = run({})
        const client = pipeline.request()
        pipeline.upstream.call.head()
        client.depart('client_stalled')
        return pipeline
      },
    ],
    [
      'the client left, then everything else happened as well',
      counted,
      () => {
        const pipeline = run({})
        const client = pipeline.request()
        client.depart()
        client.flush()
        for (const exchange of pipeline.active.toArray())
          exchange.interrupt(new GatewayError('internal'))
        return pipeline
      },
    ],
    [
      'a response phase threw',
      counted,
      () => {
        const pipeline = run({}, [{ responseHeaders: broken }])
        pipeline.request()
        pipeline.upstream.call.head()
        return pipeline
      },
    ],
    [
      'a body filter threw',
      counted,
      () => {
        const pipeline = run({}, [
          { responseBody: () => ({ write: broken, end: () => undefined }) },
        ])
        pipeline.request()
        pipeline.upstream.call.head()
        pipeline.upstream.call.data('x')
        return pipeline
      },
    ],
    [
      'log threw',
      counted,
      () => {
        const pipeline = run({}, [{ log: broken }])
        pipeline.request()
        pipeline.upstream.call.answer()
        return pipeline
      },
    ],
    [
      'the gateway drained',
      counted,
      () => {
        const pipeline = run({})
        pipeline.request()
        for (const exchange of pipeline.active.toArray())
          exchange.interrupt(new GatewayError('server_shutting_down'))
        return pipeline
      },
    ],
    ['its body was too slow', [[0]], () => failingBody('request_timeout')],
    ['its body was too large', [[0]], () => failingBody('body_too_large')],
    ['its body was badly framed', [[0]], () => failingBody('invalid_framing')],
    ['there was no memory for its body', [[0]], () => failingBody('overloaded')],
    [
      'the client left in the middle of its body',
      [[0]],
      () => {
        const pipeline = run({})
        pipeline.request({ method: 'POST', body: new UnfinishedBody(undefined) }).depart()
        return pipeline
      },
    ],
  ]

  async function failingBody(code: ErrorCode): Promise<GivenPipeline> {
    const pipeline = run({})
    const client = pipeline.request({ method: 'POST', body: new UnfinishedBody(code) })
    await tick()
    expect(client.status).toBe(new GatewayError(code).status)
    return pipeline
  }

  test.each(ways)('%s', async (_way, closings, go) => {
    const pipeline = await go()
    await tick()
    expect(pipeline.ledger.closings).toEqual(closings)
    expect(pipeline.settled).toHaveLength(1)
    expect([pipeline.pins, pipeline.active.size]).toEqual([0, 0])
  })

  test('a body that piped through and was cut in the middle is no request either', async () => {
    const pipeline = run({ route: { requestBuffering: false } })
    const body = new UnfinishedBody(undefined)
    const client = pipeline.request({ method: 'POST', body })
    pipeline.upstream.call.fail('request_timeout', new GatewayError('request_timeout'))
    expect(client.status).toBe(408)
    expect(pipeline.ledger.closings).toEqual([[0]])
  })

  test('an answer that came before the whole body counts', () => {
    const pipeline = run({ route: { requestBuffering: false } })
    pipeline.request({ method: 'POST', body: new UnfinishedBody(undefined) })
    pipeline.upstream.call.answer(200, [], 'early')
    expect(pipeline.ledger.closings).toEqual([undefined])
  })

  test('not before the last byte has left', () => {
    const client = new RecordingClient()
    client.flushesAtOnce = false
    const pipeline = run({})
    pipeline.request({}, client)
    pipeline.upstream.call.answer()
    expect(pipeline.ledger.closings).toEqual([])
    client.flush()
    expect(pipeline.ledger.closings).toEqual(counted)
  })
})

test('a plugin of another route holds nothing here', () => {
  const pipeline = givenPipeline({
    plugins: [{ ...limiter('limit', 50, ['a']), routeId: `${ROUTE_ID.slice(0, -1)}f` }],
  })
  pipeline.request()
  expect(pipeline.ledger.reserved).toEqual([])
})

/** A body of which some never arrives: it fails with a code, or the client is still sending. */
class UnfinishedBody {
  readonly declaredBytes = 100
  readonly empty = false
  readonly completed = false
  readonly replayable = false
  readonly receivedBytes = 10
  readonly #code: ErrorCode | undefined

  constructor(code: ErrorCode | undefined) {
    this.#code = code
  }

  #arrive(): Promise<never> {
    if (this.#code === undefined) return new Promise(() => undefined)
    return Promise.reject(new GatewayError(this.#code))
  }

  readonly limit = (): void => undefined
  readonly buffer = (): Promise<never> => this.#arrive()
  readonly bytes = (): Promise<never> => this.#arrive()
  readonly json = (): Promise<never> => this.#arrive()
  readonly replace = (): void => undefined
  readonly pipe = (): void => undefined
}
