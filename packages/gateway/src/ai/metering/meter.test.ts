import type { AiFormat } from '../../config/index.ts'
import { describe, expect, test } from 'vitest'
import { MemoryBudget } from '../../http/index.ts'
import { createProxy, type ServiceHandler } from '../../pipeline/index.ts'
import {
  givenPipeline,
  type GivenPipeline,
  type PluginGiven,
} from '../../pipeline/testing/given-pipeline.ts'
import type { RecordingClient } from '../../pipeline/testing/recording-client.ts'
import { PriceCatalogue, Pricing } from '../prices/index.ts'
import { meter } from './meter.ts'
import { METERED, type MeteredUsage, type MeterOptions } from './metered-sink.ts'

const HOLD_BYTES = 10_000
const SSE = ['Content-Type', 'text/event-stream; charset=utf-8']
const JSON_TYPE = ['Content-Type', 'application/json']
const REQUEST = '{"model":"gpt-4.1","messages":[{"role":"user","content":"hello"}]}'

interface GivenMeter extends GivenPipeline {
  readonly budget: MemoryBudget
  readonly client: RecordingClient
  /** What was metered, once the exchange has settled. */
  readonly metered: MeteredUsage | undefined
}

/** One chat request on its way to its provider. */
function given(
  options: {
    readonly format?: AiFormat
    readonly plugins?: readonly PluginGiven[]
    readonly budgetBytes?: number
    readonly method?: string
    readonly beforeEnd?: MeterOptions['beforeEnd']
  } = {},
): GivenMeter {
  const budget = new MemoryBudget(options.budgetBytes ?? 1_000_000)
  let handler: ServiceHandler = () => undefined
  const pipeline = givenPipeline({
    service: { aiFormat: options.format ?? 'openai-chat' },
    errorShape: 'kong+openai',
    plugins: options.plugins ?? [],
    handler: (...call) => handler(...call),
  })
  handler = meter(createProxy(pipeline.upstream), {
    budget,
    holdBytes: HOLD_BYTES,
    pricing: new Pricing({ catalogue: new PriceCatalogue(), kinds: new Map(), now: Date.now }),
    beforeEnd: options.beforeEnd,
  })
  const client = pipeline.request({ method: options.method ?? 'POST', body: REQUEST })
  return {
    ...pipeline,
    budget,
    client,
    get pins() {
      return pipeline.pins
    },
    get metered() {
      return pipeline.settled[0]?.note(METERED)
    },
  }
}

const chunk = (content: string): string =>
  `data: {"choices":[{"index":0,"delta":{"content":${JSON.stringify(content)}}}]}\n\n`

const answerOf = (content: string, usage?: object): string =>
  JSON.stringify({ choices: [{ message: { role: 'assistant', content } }], usage })

describe('F24 a JSON answer is held until it is complete', () => {
  test('then it goes out as it came, with the usage that the provider told', () => {
    const it = given()
    const { call } = it.upstream
    const body = answerOf('hi', { prompt_tokens: 9, completion_tokens: 3 })
    call.head(200, [...JSON_TYPE, 'Content-Length', String(body.length)])
    call.data(body.slice(0, 20))
    call.data(body.slice(20))
    expect(it.client.headSent).toBe(false)
    expect(it.budget.used).toBeGreaterThanOrEqual(body.length)
    call.end()
    expect([it.client.status, it.client.body]).toEqual([200, body])
    expect(it.metered).toMatchObject({
      model: 'gpt-4.1',
      streamed: false,
      usage: { inputUncached: 9, outputText: 3, source: 'provider' },
    })
    expect(it.budget.used).toBe(0)
  })

  test('a short one is withheld: 502, no byte of it, and what was made of it is estimated', () => {
    const it = given()
    it.upstream.call.head(200, [...JSON_TYPE, 'Content-Length', '1000'])
    it.upstream.call.data('{"choices":[{"message":{"content":"eight letters')
    it.upstream.call.fail('upstream_truncated')
    expect(it.client.status).toBe(502)
    expect(it.client.body).toContain('"code":"upstream_truncated"')
    expect(it.client.body).not.toContain('eight')
    expect(it.settled[0]?.outcome).toBe('truncated')
    expect(it.metered?.usage).toMatchObject({ outputText: 4, source: 'estimated' })
    expect(it.budget.used).toBe(0)
  })

  test('one that was declared too large, or turns out to be, passes; its break is visible', () => {
    const declared = given()
    declared.upstream.call.head(200, [...JSON_TYPE, 'Content-Length', String(HOLD_BYTES + 1)])
    expect(declared.client.headSent).toBe(true)

    const grown = given()
    grown.upstream.call.head(200, JSON_TYPE)
    grown.upstream.call.data('['.padEnd(HOLD_BYTES, ' '))
    expect([grown.client.headSent, grown.budget.used > 0]).toEqual([false, true])
    grown.upstream.call.data('more')
    expect([grown.client.body.length, grown.budget.used]).toEqual([HOLD_BYTES + 4, 0])
    grown.upstream.call.fail('upstream_truncated')
    expect([grown.client.ended, grown.client.failure !== undefined]).toEqual([false, true])
  })

  test('one that finds no memory passes', () => {
    const it = given({ budgetBytes: 10 })
    it.upstream.call.answer(
      200,
      JSON_TYPE,
      answerOf('hi', { prompt_tokens: 1, completion_tokens: 2 }),
    )
    expect(it.client.body).toContain('hi')
    expect(it.metered?.usage).toMatchObject({ outputText: 2, source: 'provider' })
    expect(it.budget.used).toBe(0)
  })

  test('one that arrives byte by byte costs no more memory than any other', () => {
    const it = given({ budgetBytes: 4 * HOLD_BYTES })
    it.upstream.call.head(200, JSON_TYPE)
    for (let i = 0; i < HOLD_BYTES; i++) it.upstream.call.data(' ')
    expect(it.client.headSent).toBe(false)
    it.upstream.call.end()
    expect([it.client.body.length, it.budget.used]).toEqual([HOLD_BYTES, 0])
  })

  test.each(['HEAD', 'POST'])('an answer without a body to %s is not waited for', (method) => {
    const it = given({ method })
    it.upstream.call.head(method === 'HEAD' ? 200 : 204, JSON_TYPE)
    expect(it.client.headSent).toBe(true)
    it.upstream.call.end()
    expect(it.client.ended).toBe(true)
  })
})

describe('F23 a stream ends with its terminal event or not at all', () => {
  test('every event goes on as soon as it is whole', () => {
    const it = given()
    it.upstream.call.head(200, [...SSE, 'Content-Length', '9999'])
    expect(it.client.header('content-length')).toBeUndefined()
    it.upstream.call.data(`${chunk('a')}data: {"cho`)
    expect(it.client.body).toBe(chunk('a'))
    it.upstream.call.data('ices":[]}\n\ndata: [DONE]\n\n')
    it.upstream.call.end()
    expect(it.client.body).toBe(`${chunk('a')}data: {"choices":[]}\n\ndata: [DONE]\n\n`)
    expect([it.client.ended, it.settled[0]?.outcome, it.budget.used]).toEqual([true, 'ok', 0])
  })

  test.each([
    ['nothing', ''],
    ['half an event', 'data: {"choices":[{"del'],
    ['the finish reason', 'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n'],
    ['the usage', 'data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}\n\n'],
  ])('a clean end after %s becomes an error event and a broken message', (_what, last) => {
    const it = given()
    it.upstream.call.answer(200, SSE, chunk('a') + last)
    const whole = last.endsWith('\n\n') ? last : ''
    expect(it.client.body.startsWith(`${chunk('a')}${whole}data: {"error":{`)).toBe(true)
    expect(it.client.body).toContain('"code":"upstream_truncated"')
    expect([it.client.ended, it.client.failure !== undefined]).toEqual([false, true])
    expect([it.settled[0]?.outcome, it.budget.used]).toEqual(['truncated', 0])
  })

  test('a terminal event without its blank line counts, as client libraries read it', () => {
    const it = given()
    it.upstream.call.answer(200, SSE, `${chunk('a')}data: [DONE]`)
    expect([it.client.body, it.client.ended]).toEqual([`${chunk('a')}data: [DONE]`, true])
  })

  test('F30 after an error event of the provider nothing is added, and the outcome says so', () => {
    const it = given()
    const error = 'data: {"error":{"message":"overloaded","type":"server_error"}}\n\n'
    it.upstream.call.answer(200, SSE, chunk('a') + error)
    expect([it.client.body, it.client.ended]).toEqual([chunk('a') + error, true])
    expect(it.settled[0]?.outcome).toBe('upstream_error')
  })

  test('after an event too large to hold, a break leaves no words inside of it', () => {
    const it = given({ budgetBytes: 100 })
    it.upstream.call.head(200, SSE)
    it.upstream.call.data(`data: ${'x'.repeat(90)}`)
    it.upstream.call.data('x'.repeat(90))
    it.upstream.call.fail('upstream_truncated')
    expect(it.client.body).not.toContain('error')
    expect([it.client.failure !== undefined, it.budget.used]).toEqual([true, 0])
  })

  test('a stream that a status of 400 or more announces may end as it likes', () => {
    const it = given()
    it.upstream.call.answer(429, SSE, 'data: {"slow":"down"}\n\n')
    expect([it.client.ended, it.metered?.usage.source]).toEqual([true, 'none'])
  })
})

describe('a plugin that throws on an answer that is metered', () => {
  const broken = (): never => {
    throw new Error('broken')
  }

  test.each([
    ['a stream', SSE],
    ['a JSON answer', JSON_TYPE],
    ['anything else', ['Content-Type', 'image/png']],
  ])('at the head of %s: a 500, and nobody waits', (_what, head) => {
    const it = given({ plugins: [{ responseHeaders: broken }] })
    it.upstream.call.head(200, head)
    if (!it.upstream.call.cancelled) {
      it.upstream.call.data('{}')
      it.upstream.call.end()
    }
    expect([it.client.status, it.client.ended]).toEqual([500, true])
    expect([it.settled.length, it.budget.used, it.upstream.call.cancelled]).toEqual([1, 0, true])
  })

  test.each([
    ['a stream', SSE, chunk('a')],
    ['anything else', ['Content-Type', 'image/png'], 'x'],
  ])('in the body of %s: a broken message, and nobody waits', (_what, head, data) => {
    const it = given({
      plugins: [{ responseBody: () => ({ write: broken, end: () => undefined }) }],
    })
    it.upstream.call.head(200, head)
    it.upstream.call.data(data)
    expect([it.client.ended, it.client.failure !== undefined]).toEqual([false, true])
    expect([it.settled.length, it.budget.used, it.upstream.call.cancelled]).toEqual([1, 0, true])
    expect(it.metered).toBeDefined()
  })
})

describe('what was used when the provider did not say', () => {
  test('F06 by a client that left in the middle of a stream: what it got', () => {
    const it = given()
    it.upstream.call.head(200, SSE)
    for (let i = 0; i < 7; i++) it.upstream.call.data(chunk(' word'))
    it.client.depart()
    expect(it.metered?.usage).toMatchObject({ outputText: 7, source: 'estimated' })
    expect(it.metered?.timeToFirstTokenMs).toBeGreaterThanOrEqual(0)
    expect([it.settled[0]?.outcome, it.budget.used]).toEqual(['client_cancelled', 0])
  })

  test('F71 by a client that left after its provider had told the prompt: what it got beside that', () => {
    const it = given({ format: 'anthropic-messages' })
    it.upstream.call.head(200, SSE)
    const usage = { input_tokens: 25, cache_read_input_tokens: 100, output_tokens: 1 }
    it.upstream.call.data(
      `event: message_start\ndata: ${JSON.stringify({ type: 'message_start', message: { usage } })}\n\n`,
    )
    for (let i = 0; i < 7; i++) {
      it.upstream.call.data(
        'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" word"}}\n\n',
      )
    }
    it.client.depart()
    expect(it.metered?.usage).toMatchObject({
      inputUncached: 25,
      cacheRead: 100,
      outputText: 7,
      source: 'estimated',
    })
  })

  test('F05 by a client that left before the first token: its prompt', () => {
    const it = given()
    it.upstream.call.sending()
    it.client.depart()
    const inputUncached = Math.ceil(REQUEST.length / 4)
    expect(it.metered?.usage).toMatchObject({ inputUncached, outputText: 0, source: 'estimated' })
  })

  test('by a client that left before anything was sent: nothing', () => {
    const it = given()
    it.client.depart()
    expect(it.metered?.usage.source).toBe('none')
  })

  test('by a provider that refused or never answered: nothing', () => {
    for (const fail of [
      (it: GivenMeter) => it.upstream.call.answer(500, JSON_TYPE, '{"error":{}}'),
      (it: GivenMeter) => it.upstream.call.fail('upstream_timeout'),
    ]) {
      const it = given()
      fail(it)
      expect(it.metered?.usage.source).toBe('none')
    }
  })

  test('by a client that left while a JSON answer was held: what had been made of it', () => {
    const it = given()
    it.upstream.call.head(200, JSON_TYPE)
    it.upstream.call.data('{"choices":[{"message":{"content":"eight letters')
    it.client.depart()
    expect(it.metered?.usage).toMatchObject({ outputText: 4, source: 'estimated' })
    expect(it.budget.used).toBe(0)
  })

  test('F28 in an encoded answer: estimated from its size, as its bytes are not ours to read', () => {
    const it = given()
    it.upstream.call.answer(200, [...SSE, 'Content-Encoding', 'gzip'], 'z'.repeat(400))
    expect(it.client.body).toBe('z'.repeat(400))
    expect(it.metered).toMatchObject({
      streamed: true,
      usage: { outputText: 100, source: 'estimated' },
    })
  })
})

test('llm-apis.md §1.5 a Gemini stream in the form of a JSON array is not held back', () => {
  const it = given({ format: 'gemini' })
  it.upstream.call.head(200, JSON_TYPE)
  it.upstream.call.data('[{"candidates":[{"content":{"parts":[{"text":"hi"}]}}]}')
  expect(it.client.body).toContain('hi')
  it.upstream.call.data(
    ',{"candidates":[],"usageMetadata":{"promptTokenCount":4,"candidatesTokenCount":2}}]',
  )
  it.upstream.call.end()
  expect(it.metered?.usage).toMatchObject({ inputUncached: 4, outputText: 2, source: 'provider' })
})

describe('T12 an answer that waits for its usage record', () => {
  interface Held extends GivenMeter {
    /** The record is safe. */
    readonly recorded: () => void
    readonly waiting: () => boolean
  }

  function givenHeld(options: Parameters<typeof given>[0] = {}): Held {
    let then: (() => void) | undefined
    const it = given({
      ...options,
      beforeEnd: (exchange, last) => {
        expect(exchange.note(METERED)).toBeDefined()
        then = last
      },
    })
    return Object.assign(it, { recorded: () => then?.(), waiting: () => then !== undefined })
  }

  test('a JSON answer is not begun before', () => {
    const it = givenHeld()
    it.upstream.call.answer(200, JSON_TYPE, answerOf('hi', { prompt_tokens: 1 }))
    expect([it.waiting(), it.client.headSent]).toEqual([true, false])
    it.recorded()
    expect([it.client.body.includes('hi'), it.client.ended]).toEqual([true, true])
  })

  test('a stream sends its events, and has no end before', () => {
    const it = givenHeld()
    it.upstream.call.answer(200, SSE, `${chunk('a')}data: [DONE]\n\n`)
    expect([it.client.body.includes('[DONE]'), it.client.ended]).toEqual([true, false])
    it.recorded()
    expect(it.client.ended).toBe(true)
  })

  test('an answer that passes unread loses its length, so that its end is a byte of its own', () => {
    const it = givenHeld()
    const head = [...JSON_TYPE, 'Content-Encoding', 'gzip', 'Content-Length', '4']
    it.upstream.call.answer(200, head, 'zzzz')
    expect(it.client.header('content-length')).toBeUndefined()
    expect([it.client.body, it.client.ended]).toEqual(['zzzz', false])
    it.recorded()
    expect(it.client.ended).toBe(true)
  })

  test('a client that left in the meantime gets nothing, and nothing fails', () => {
    const it = givenHeld()
    it.upstream.call.answer(200, JSON_TYPE, answerOf('hi', { prompt_tokens: 1 }))
    it.client.depart()
    it.recorded()
    expect([it.client.headSent, it.settled.length, it.budget.used]).toEqual([false, 1, 0])
  })

  test('a plugin that throws on what was held is a 500', () => {
    const it = givenHeld({
      plugins: [
        {
          responseHeaders: () => {
            throw new Error('broken')
          },
        },
      ],
    })
    it.upstream.call.answer(200, JSON_TYPE, answerOf('hi', { prompt_tokens: 1 }))
    it.recorded()
    expect([it.client.status, it.client.ended]).toEqual([500, true])
  })
})
