import {
  refuse,
  type Hold,
  type ModelCall,
  type ModelUse,
  type Plugin,
  type Refusal,
  type Remaining,
  type Spending,
} from '@pratu/plugin-kit'
import { givenBody } from '@pratu/plugin-kit/testing'
import { describe, expect, test } from 'vitest'
import { GatewayError } from '../errors/index.ts'
import { CHARGES } from '../journal/index.ts'
import { createProxy } from './proxy.ts'
import { createSpendStage } from './spend.ts'
import type { ServiceHandler } from './snapshot.ts'
import { givenPipeline, type GivenPipeline, type PluginGiven } from './testing/given-pipeline.ts'

const CALL: ModelCall = {
  format: 'openai-chat',
  model: 'm',
  streamed: true,
  inputTokens: 10,
  maxOutputTokens: undefined,
  cost: (input, output) => input + 2 * output,
}

function use(outputTokens: number, inputTokens = 10): ModelUse {
  return { inputTokens, outputTokens, nanoDollars: inputTokens + 2 * outputTokens }
}

function hold(id: string, amount: number): Hold {
  const definition = {
    id,
    quantity: 'total_tokens' as const,
    window: { kind: 'calendar' as const, period: 'minute' as const },
    limit: 1000,
  }
  return { meter: { definition }, scope: 's', amount }
}

class RecordedSpending implements Spending {
  readonly kind = 'spending'
  readonly holds: readonly Hold[]
  granting: readonly Remaining[] | undefined
  denial: Refusal | undefined
  readonly grown: number[] = []
  readonly settlings: (readonly number[])[] = []
  mode: 'cut' | 'finish' = 'cut'

  constructor(...holds: readonly Hold[]) {
    this.holds = holds
  }

  granted(remaining: readonly Remaining[]): void {
    this.granting = remaining
  }

  denied(refusal: Refusal) {
    this.denial = refusal
    return refuse(429, 'budget_exceeded', 'spent')
  }

  amount(_index: number, { inputTokens, outputTokens }: ModelUse): number {
    return inputTokens + outputTokens
  }

  grew(_index: number, amount: number): void {
    this.grown.push(amount)
  }

  exhausted(): 'cut' | 'finish' {
    return this.mode
  }

  settled(amounts: readonly number[]): void {
    this.settlings.push(amounts)
  }
}

function given(
  plugins: readonly PluginGiven[],
  options: {
    readonly call?: ModelCall
    readonly ai?: boolean
    readonly handler?: ServiceHandler
  } = {},
): GivenPipeline {
  let handler: ServiceHandler = () => undefined
  const pipeline = givenPipeline({
    plugins,
    service: options.ai === true ? { aiFormat: 'openai-chat' } : {},
    handler: (...call) => handler(...call),
  })
  handler = createSpendStage(options.handler ?? createProxy(pipeline.upstream), () => options.call)
  return pipeline
}

const spends = (spending: Spending, more: Partial<Plugin> = {}): PluginGiven => ({
  spends: () => spending,
  ...more,
})

describe('architecture §3.4c what an upstream call may use', () => {
  test('is asked of the ledger once, for all plugins together, when the body is there', async () => {
    const [one, two] = [
      new RecordedSpending(hold('a', 1), hold('b', 2)),
      new RecordedSpending(hold('c', 3)),
    ]
    const it = given([spends(one), { name: 'q', ...spends(two) }], { call: CALL, ai: true })
    it.request({ method: 'POST', body: givenBody('{}', { pending: true }) })
    expect(it.ledger.reserved).toEqual([])
    await expect.poll(() => it.upstream.calls.length).toBe(1)
    expect(it.ledger.reserved.map(({ holds }) => holds.map(({ amount }) => amount))).toEqual([
      [3, 1, 2],
    ])
    expect([one.granting?.length, two.granting?.length]).toEqual([2, 1])
  })

  test('is never asked when a plugin answers, as a cache does', () => {
    const it = given([
      spends(new RecordedSpending(hold('a', 1))),
      {
        name: 'cache',
        priority: 1,
        access: () => ({ kind: 'answer', status: 200, headers: {}, body: Buffer.from('hit') }),
      },
    ])
    expect(it.request().body).toBe('hit')
    expect(it.ledger.reserved).toEqual([])
  })

  test('refused, the refusing plugin answers, nothing goes upstream, and the admission is given back', () => {
    const [one, two] = [
      new RecordedSpending(hold('a', 1)),
      new RecordedSpending(hold('b', 2), hold('c', 3)),
    ]
    const it = given([
      { name: 'z', ...spends(one), holds: () => [hold('requests', 1)] },
      spends(two),
    ])
    const { ledger } = it
    const decide = ledger.reserve.bind(ledger)
    ledger.reserve = (holds) => {
      ledger.refusing = holds.length === 3 ? 2 : -1
      return decide(holds)
    }
    const client = it.request()
    expect([client.status, it.upstream.calls.length]).toEqual([429, 0])
    expect([one.denial, two.denial?.hold, two.denial?.meters.length]).toEqual([undefined, 1, 2])
    expect(it.settled[0]?.outcome).toBe('rejected_budget_exceeded')
    expect(ledger.closings).toEqual([[0]])
    expect([one.settlings, two.settlings]).toEqual([[], []])
  })

  test('a plugin may answer in place of spending', () => {
    const it = given([{ spends: () => refuse(403, 'model_unpriced', 'no price') }])
    expect(it.request().status).toBe(403)
    expect([it.ledger.reserved, it.upstream.calls]).toEqual([[], []])
  })

  test('a plugin that has nothing to say costs no question', () => {
    const it = given([{ spends: () => undefined }])
    it.request()
    expect([it.ledger.reserved.length, it.upstream.calls.length]).toEqual([0, 1])
  })
})

describe('F70 every exit closes what was reserved, once', () => {
  const spending = (): RecordedSpending =>
    new RecordedSpending(hold('slots', 1), hold('tokens', 50))

  test.each<[string, (it: GivenPipeline) => void, readonly number[]]>([
    ['ok', (it) => it.upstream.call.answer(200), [1, 50]],
    ['4xx', (it) => it.upstream.call.answer(400), [1, 50]],
    ['5xx', (it) => it.upstream.call.answer(503), [1, 50]],
    ['timeout before an answer', (it) => timeOut(it), [1, 50]],
    ['connection refused', (it) => it.upstream.call.fail('upstream_unreachable'), [0, 0]],
    [
      'drain',
      (it) => it.active.toArray()[0]?.interrupt(new GatewayError('server_shutting_down')),
      [0, 0],
    ],
  ])('%s', (_exit, leave, amounts) => {
    const one = spending()
    const it = given([spends(one)])
    const client = it.request()
    leave(it)
    expect(client.ended || client.failure !== undefined).toBe(true)
    expect(it.ledger.closings).toEqual([amounts])
    expect(one.settlings).toEqual([amounts])
  })

  test.each(['before', 'after'])('cancel %s the first byte', (when) => {
    const one = spending()
    const it = given([spends(one)])
    const client = it.request()
    if (when === 'after') {
      it.upstream.call.head(200)
      it.upstream.call.data('x')
    }
    client.depart()
    expect(it.upstream.call.cancelled).toBe(true)
    expect(it.ledger.closings).toEqual([when === 'after' ? [1, 50] : [0, 0]])
    expect(one.settlings.length).toBe(1)
  })

  test('cancel while a remote store decides: what it grants is given back', async () => {
    const one = spending()
    const it = given([spends(one)])
    it.ledger.remote = true
    const client = it.request()
    client.depart()
    it.ledger.answer()
    await expect.poll(() => it.ledger.closings).toEqual([[0, 0]])
    expect(it.upstream.calls).toEqual([])
  })

  test('drain while a remote store decides: the client is answered, and what it grants is given back', async () => {
    const it = given([spends(spending())])
    it.ledger.remote = true
    const client = it.request()
    it.active.toArray()[0]?.interrupt(new GatewayError('server_shutting_down'))
    expect(client.status).toBe(503)
    it.ledger.answer()
    await expect.poll(() => it.ledger.closings).toEqual([[0, 0]])
    expect(it.upstream.calls).toEqual([])
  })

  test('a body that never completes was never a call', async () => {
    const it = given([spends(spending())])
    const body = givenBody('{}', { pending: true })
    const client = it.request({
      method: 'POST',
      body: { ...body, buffer: () => Promise.reject(new GatewayError('request_timeout')) },
    })
    await expect.poll(() => client.ended).toBe(true)
    expect([client.status, it.ledger.reserved.length]).toEqual([408, 0])
  })

  test('a store that is away and denies fails the request', async () => {
    const it = given([spends(spending())])
    it.ledger.reserve = () => Promise.reject(new GatewayError('limit_store_unavailable'))
    const client = it.request()
    await expect.poll(() => client.ended).toBe(true)
    expect([client.status, it.upstream.calls.length]).toEqual([500, 0])
  })

  test.each<[string, Partial<RecordedSpending> & object]>([
    ['granted', { granted: throwing }],
    ['settled', { settled: throwing }],
  ])('a plugin whose %s throws', (_name, broken) => {
    const one = Object.assign(spending(), broken)
    const it = given([spends(one)])
    const client = it.request()
    if (it.upstream.calls.length > 0) it.upstream.call.answer(200)
    expect(client.ended).toBe(true)
    expect(it.ledger.closings.length).toBe(1)
    expect(it.failures.length).toBe(1)
  })

  test('a response phase that throws', () => {
    const it = given([spends(spending(), { responseHeaders: throwing })])
    const client = it.request()
    it.upstream.call.head(200)
    expect([client.status, it.upstream.call.cancelled, it.ledger.closings.length]).toEqual([
      500,
      true,
      1,
    ])
  })
})

describe('F71 a stream that uses more than was reserved', () => {
  /** A pipeline whose handler hands the flight to the test. */
  function flying(
    one: RecordedSpending,
    call = CALL,
    grows: (amount: number) => boolean | Promise<boolean> = () => true,
  ) {
    const it = given([spends(one)], { call, handler: () => undefined })
    const asked: number[] = []
    const { ledger } = it
    const decide = ledger.reserve.bind(ledger)
    ledger.reserve = (holds) => {
      const decision = decide(holds)
      if (decision instanceof Promise || !decision.admitted) return decision
      const grow = (_hold: number, amount: number): boolean | Promise<boolean> => {
        asked.push(amount)
        return grows(amount)
      }
      return { ...decision, reservation: { ...decision.reservation, grow } }
    }
    const client = it.request()
    const exchange = it.active.toArray()[0]
    if (exchange?.flight === undefined) throw new Error('no flight')
    return { ...it, flight: exchange.flight, asked, client }
  }

  test('asks a few tokens ahead, for a step, and nothing while there is enough', () => {
    const one = new RecordedSpending(hold('tokens', 100))
    const { flight, asked } = flying(one)
    for (let output = 1; output <= 82; output++) expect(flight.progress(use(output))).toBe('on')
    expect(asked).toEqual([])
    expect(flight.progress(use(83))).toBe('on')
    expect([asked, one.grown]).toEqual([[25], [25]])
    flight.close(use(83))
    expect(one.settlings).toEqual([[93]])
  })

  test('takes no more than it needs where a step is too much, and is cut where that is', () => {
    const one = new RecordedSpending(hold('tokens', 100))
    let left = 3
    const { flight, asked } = flying(one, CALL, (amount) => {
      if (amount > left) return false
      left -= amount
      return true
    })
    const verdicts = [83, 84, 85, 86].map((output) => flight.progress(use(output)))
    expect(verdicts).toEqual(['on', 'on', 'on', 'cut'])
    expect(asked).toEqual([25, 1, 26, 1, 26, 1, 26, 1])
    // What is reserved covers what was used: nothing is overshot.
    expect(10 + 86).toBeLessThanOrEqual(103)
  })

  test('never asks for more than the client lets the model write', () => {
    const { flight, asked } = flying(new RecordedSpending(hold('tokens', 110)), {
      ...CALL,
      maxOutputTokens: 100,
    })
    for (let output = 1; output <= 100; output++) flight.progress(use(output))
    expect(asked).toEqual([])
  })

  test('goes on where the limit says so, and asks no more', () => {
    const one = new RecordedSpending(hold('tokens', 20))
    one.mode = 'finish'
    const { flight, asked } = flying(one, CALL, () => false)
    for (let output = 1; output < 100; output++) expect(flight.progress(use(output))).toBe('on')
    expect(asked.length).toBe(2)
    flight.close(use(100))
    expect(one.settlings).toEqual([[110]])
  })

  test('does not wait for a remote store, and asks one question at a time', async () => {
    let answer: (granted: boolean) => void = () => undefined
    const one = new RecordedSpending(hold('tokens', 20))
    const { flight, asked } = flying(one, CALL, () => new Promise((resolve) => (answer = resolve)))
    for (let output = 3; output < 8; output++) expect(flight.progress(use(output))).toBe('on')
    expect(asked).toEqual([5])
    answer(false)
    await expect.poll(() => asked.length).toBe(2)
    answer(false)
    await expect.poll(() => flight.progress(use(8))).toBe('cut')
  })

  test('a failed attempt is charged what it used', () => {
    const one = new RecordedSpending(hold('tokens', 200))
    const { flight } = flying(one)
    flight.lost(use(30))
    flight.progress(use(5))
    flight.close(use(20))
    flight.close(use(90))
    expect(one.settlings).toEqual([[70]])
  })
})

function throwing(): never {
  throw new Error('broken')
}

function timeOut({ upstream }: GivenPipeline): void {
  upstream.call.sending()
  upstream.call.fail('upstream_timeout')
}

test('F77 what a call charged is left for the usage journal; requests and what was only held are no spend', () => {
  const withDefinition = (id: string, more: Partial<Hold['meter']['definition']>): Hold => {
    const plain = hold(id, 1)
    return { ...plain, meter: { definition: { ...plain.meter.definition, ...more } } }
  }
  const one = new RecordedSpending(
    hold('tokens', 50),
    withDefinition('requests', { quantity: 'requests' }),
    withDefinition('slots', { window: { kind: 'concurrency', leaseMs: 1000 } }),
  )
  const it = given([spends(one)])
  it.request()
  it.upstream.call.answer(200)
  expect(one.settlings).toEqual([[50, 1, 1]])
  expect(it.settled[0]?.note(CHARGES)).toEqual([{ meter: 'tokens', scope: 's', amount: 50 }])
})
