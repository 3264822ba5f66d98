/** Budgets that end in the middle of a stream: what the client gets, and what the provider notices. */
import { expect, test } from 'vitest'
import { chat } from '../gateway.ts'
import { eventsOf, givenAiLimited, startStreaming, type AiLimited } from './ai-limited.ts'

/** Some 40 tokens; a request without a bound begins with 10 of them. */
const TOKENS =
  '{name: tokens, quantity: output_tokens, limit: 40, window: hour, by: everything, reserve_output: 10}'

const SLOWLY = { 'x-simulator-fault': 'tokens-per-second=400' }
const LONG = { messages: [{ role: 'user', content: 'tokens:5000' }], stream: true }

/** Streams from a provider until the limit is used up, and answers the events that the client got. */
async function cutStream(
  path: string,
  opening: readonly string[],
  event: (index: number) => string,
): Promise<{
  readonly text: string
  readonly events: readonly unknown[]
  readonly written: number
}> {
  await using provider = await startStreaming('provider', path, opening, event)
  await using it = await givenAiLimited({ limits: TOKENS, providers: [provider] })
  const answer = await fetch(it.url + path, { ...chat(), body: '{"model":"m","stream":true}' })
  const text = await answer.text()
  await expectCut(it)
  return { text, events: eventsOf(text), written: await provider.left }
}

async function expectCut(it: AiLimited): Promise<void> {
  expect(await it.metric('pratu_limits_cut_total', { limit: 'tokens' })).toBe(1)
  expect(await it.metric('pratu_limits_overshoot_total')).toBe(0)
  expect(await it.metric('pratu_limits_reserved')).toBe(0)
  const used = await it.metric('pratu_limits_used_total')
  expect(used).toBeGreaterThan(0)
  expect(used).toBeLessThanOrEqual(40)
}

test('F71 chat: finish_reason length, usage as asked for, [DONE]; the provider is stopped', async () => {
  await using it = await givenAiLimited({ limits: TOKENS })
  const answer = await it.ask({ ...LONG, stream_options: { include_usage: true } }, SLOWLY)
  expect(answer.status).toBe(200)
  const events = eventsOf(await answer.text())
  const [first] = events as { id: string }[]
  expect(events.slice(-3)).toMatchObject([
    {
      id: first?.id,
      object: 'chat.completion.chunk',
      model: 'gpt-4.1',
      choices: [{ index: 0, delta: {}, finish_reason: 'length' }],
      usage: null,
    },
    { id: first?.id, choices: [], usage: { completion_tokens: expect.any(Number) } },
    '[DONE]',
  ])
  const { usage } = events.at(-2) as { usage: { completion_tokens: number } }
  expect(await it.simulator.requests[0]?.closed).toMatchObject({ by: 'client' })
  await expectCut(it)
  expect(await it.metric('pratu_limits_used_total')).toBe(usage.completion_tokens)
  expect(await it.metric('pratu_llm_usage_anomalies_total')).toBe(0)
})

test('F71 chat: no usage unless it is asked for, and every choice is ended', async () => {
  await using it = await givenAiLimited({ limits: TOKENS })
  const answer = await it.ask({ ...LONG, n: 3 }, SLOWLY)
  const events = eventsOf(await answer.text())
  expect(events.slice(-4)).toMatchObject([
    { choices: [{ index: 0, finish_reason: 'length' }] },
    { choices: [{ index: 1, finish_reason: 'length' }] },
    { choices: [{ index: 2, finish_reason: 'length' }] },
    '[DONE]',
  ])
  expect(JSON.stringify(events)).not.toContain('usage')
})

test('F71 on_exhausted finish: the stream goes on to its end, and what it takes beyond is told', async () => {
  await using it = await givenAiLimited({
    limits: TOKENS.replace('reserve_output: 10', 'reserve_output: 40, on_exhausted: finish'),
  })
  const answer = await it.ask({ messages: [{ role: 'user', content: 'tokens:100' }], stream: true })
  const events = eventsOf(await answer.text())
  expect(events.slice(-2)).toMatchObject([{ choices: [{ finish_reason: 'stop' }] }, '[DONE]'])
  expect(await it.metric('pratu_limits_used_total')).toBe(100)
  expect(await it.metric('pratu_limits_overshoot_total')).toBe(60)
  expect(await it.metric('pratu_limits_cut_total')).toBe(0)
  expect((await it.ask()).status).toBe(429)
})

test('F71 messages: the block stops, stop_reason max_tokens, message_stop', async () => {
  const event = (data: { readonly type: string }): string =>
    `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`
  const usage = { input_tokens: 25, output_tokens: 1 }
  const { text, events, written } = await cutStream(
    '/v1/messages',
    [
      event({ type: 'message_start', message: { id: 'msg_1', model: 'm', usage } } as never),
      event({ type: 'content_block_start', index: 0, content_block: { type: 'text' } } as never),
    ],
    () =>
      event({
        type: 'content_block_delta',
        index: 0,
        delta: { type: 'text_delta', text: ' word' },
      } as never),
  )
  expect(events.slice(-3)).toEqual([
    { type: 'content_block_stop', index: 0 },
    {
      type: 'message_delta',
      delta: { stop_reason: 'max_tokens', stop_sequence: null },
      usage: {
        input_tokens: 25,
        cache_read_input_tokens: 0,
        cache_creation_input_tokens: 0,
        output_tokens: expect.any(Number),
      },
    },
    { type: 'message_stop' },
  ])
  expect(text).toMatch(/event: message_delta\ndata: .*\n\nevent: message_stop\ndata: .*\n\n$/)
  expect(written).toBeLessThan(1000)
})

test('F71 responses: the item closes, response.incomplete with all that was written', async () => {
  let sequence = 0
  const event = (data: { readonly type: string }): string =>
    `event: ${data.type}\ndata: ${JSON.stringify({ ...data, sequence_number: sequence++ })}\n\n`
  const item = {
    id: 'msg_1',
    type: 'message',
    role: 'assistant',
    status: 'in_progress',
    content: [],
  }
  const { events } = await cutStream(
    '/v1/responses',
    [
      event({
        type: 'response.created',
        response: { id: 'resp_1', status: 'in_progress', output: [] },
      } as never),
      event({ type: 'response.output_item.added', output_index: 0, item } as never),
    ],
    () =>
      event({
        type: 'response.output_text.delta',
        output_index: 0,
        content_index: 0,
        item_id: 'msg_1',
        delta: ' word',
      } as never),
  )
  const deltas = events.filter((one) => (one as { type: string }).type.endsWith('.delta'))
  const closed = {
    ...item,
    status: 'incomplete',
    content: [{ type: 'output_text', annotations: [], text: ' word'.repeat(deltas.length) }],
  }
  expect(events.slice(-2)).toMatchObject([
    { type: 'response.output_item.done', sequence_number: deltas.length + 2, item: closed },
    {
      type: 'response.incomplete',
      sequence_number: deltas.length + 3,
      response: {
        id: 'resp_1',
        status: 'incomplete',
        incomplete_details: { reason: 'max_output_tokens' },
        output: [closed],
        usage: { output_tokens: deltas.length },
      },
    },
  ])
})

test('F71 Gemini: finishReason MAX_TOKENS with the usage', async () => {
  const path = '/v1beta/models/gemini-2.5-pro:streamGenerateContent'
  const { events } = await cutStream(path, [], () => {
    const answer = {
      candidates: [{ content: { role: 'model', parts: [{ text: ' word' }] }, index: 0 }],
      modelVersion: 'gemini-2.5-pro',
      responseId: 'r1',
    }
    return `data: ${JSON.stringify(answer)}\r\n\r\n`
  })
  expect(events.at(-1)).toEqual({
    candidates: [
      { content: { role: 'model', parts: [{ text: '' }] }, finishReason: 'MAX_TOKENS', index: 0 },
    ],
    usageMetadata: expect.objectContaining({ candidatesTokenCount: events.length - 1 }),
    modelVersion: 'gemini-2.5-pro',
    responseId: 'r1',
  })
})
