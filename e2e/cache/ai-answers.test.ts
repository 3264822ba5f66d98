import { describe, expect, test } from 'vitest'
import { chat } from '../gateway.ts'
import { givenCached, metric, statusOf, textOf } from './given-cached.ts'

interface Completion {
  id: string
  choices: { message: { content: string }; finish_reason: string }[]
  usage: { prompt_tokens: number; completion_tokens: number }
}

const PATH = '/v1/chat/completions'

describe('row 8 answers of models are kept', () => {
  test('the article’s plugin with POST added answers the second request from memory', async () => {
    await using given = await givenCached()
    const ask = () => fetch(`${given.url}${PATH}`, chat())
    const first = await ask()
    const second = await ask()
    expect([statusOf(first), statusOf(second)]).toEqual(['Miss', 'Hit'])
    expect(await second.text()).toBe(await first.text())
    expect(second.headers.get('age')).toBe('0')
    expect(second.headers.get('x-cache-key')).toBe(first.headers.get('x-cache-key'))
    expect(given.simulator.requests).toHaveLength(1)
  })

  test('a hit costs nothing, and what it saved is counted', async () => {
    await using given = await givenCached()
    const ask = () => fetch(`${given.url}${PATH}`, chat())
    const { usage } = (await (await ask()).json()) as Completion
    const tokens = () => metric(given, 'pratu_llm_tokens_total{service="chat"')
    const used = await tokens()
    await (await ask()).arrayBuffer()
    await (await ask()).arrayBuffer()
    expect(await tokens()).toBe(used)
    const saved = (kind: string) =>
      metric(given, `pratu_cache_saved_tokens_total{service="chat",route="chat",kind="${kind}"}`)
    expect(await saved('input')).toBe(2 * usage.prompt_tokens)
    expect(await saved('output')).toBe(2 * usage.completion_tokens)
    expect(
      await metric(given, 'pratu_cache_requests_total{service="chat",route="chat",status="hit"}'),
    ).toBe(2)
  })

  test('a stream is replayed byte for byte', async () => {
    await using given = await givenCached()
    const ask = () => fetch(`${given.url}${PATH}`, chat({ stream: true }))
    const first = await ask()
    const text = await first.text()
    const second = await ask()
    expect(statusOf(second)).toBe('Hit')
    expect(second.headers.get('content-type')).toBe(first.headers.get('content-type'))
    expect(await second.text()).toBe(text)
    expect(given.simulator.requests).toHaveLength(1)
  })

  test('a stream that told its usage is assembled for a caller who does not stream', async () => {
    await using given = await givenCached()
    const options = { stream: true, stream_options: { include_usage: true } }
    const stream = await (await fetch(`${given.url}${PATH}`, chat(options))).text()
    const answer = await fetch(`${given.url}${PATH}`, chat())
    expect(statusOf(answer)).toBe('Hit')
    expect(answer.headers.get('content-type')).toBe('application/json')
    const told = (await answer.json()) as Completion
    const direct = await fetch(`${given.simulator.url}${PATH}`, chat())
    const expected = (await direct.json()) as Completion
    const { finish_reason: reason, message } = expected.choices[0] ?? {}
    expect(told.choices).toMatchObject([
      { finish_reason: reason, message: { role: 'assistant', content: message?.content } },
    ])
    expect(told.usage).toEqual(expected.usage)
    expect(textOf(stream)).toBe(told.choices[0]?.message.content)
  })

  test('an answer is told as a stream to a caller who streams, with usage only on request', async () => {
    await using given = await givenCached()
    const whole = (await (await fetch(`${given.url}${PATH}`, chat())).json()) as Completion
    const plain = await fetch(`${given.url}${PATH}`, chat({ stream: true }))
    expect(statusOf(plain)).toBe('Hit')
    expect(plain.headers.get('content-type')).toContain('text/event-stream')
    const text = await plain.text()
    expect(textOf(text)).toBe(whole.choices[0]?.message.content)
    expect(text).not.toContain('"usage"')
    expect(text.endsWith('data: [DONE]\n\n')).toBe(true)
    const options = { stream: true, stream_options: { include_usage: true } }
    const asked = await (await fetch(`${given.url}${PATH}`, chat(options))).text()
    expect(asked).toContain(`"total_tokens"`)
    expect(given.simulator.requests).toHaveLength(1)
  })

  test('usage that the first caller asked for is not told to one who did not, and the other way it is asked for', async () => {
    await using given = await givenCached()
    const options = { stream: true, stream_options: { include_usage: true } }
    await (await fetch(`${given.url}${PATH}`, chat(options))).text()
    const plain = await (await fetch(`${given.url}${PATH}`, chat({ stream: true }))).text()
    expect(plain).not.toContain('"total_tokens"')
    expect(plain.endsWith('data: [DONE]\n\n')).toBe(true)
    const other = { messages: [{ role: 'user', content: 'other' }], stream: true }
    await (await fetch(`${given.url}${PATH}`, chat(other))).text()
    const asked = await fetch(`${given.url}${PATH}`, chat({ ...other, ...options }))
    expect(statusOf(asked)).toBe('Refresh')
    expect(await asked.text()).toContain('"total_tokens"')
  })
})

describe('F75 only complete answers are kept', () => {
  test.each([
    ['an error', { status: 500 }],
    ['a refusal', { status: 400 }],
    ['an error with status 200', { error: 'before-terminal' }],
    ['JSON cut in the middle', { 'invalid-json': true }],
    ['an HTML page', { html: true }],
  ])('%s', async (_name, fault) => {
    await using given = await givenCached()
    const headers = { 'x-simulator-fault': JSON.stringify(fault) }
    await (await fetch(`${given.url}${PATH}`, chat({}, headers))).arrayBuffer()
    const second = await fetch(`${given.url}${PATH}`, chat())
    expect(second.status).toBe(200)
    expect(statusOf(second)).toBe('Miss')
    expect(given.simulator.requests).toHaveLength(2)
  })

  test.each([
    ['without its terminal event', { 'no-terminal': true }],
    ['reset in the middle', { reset: 'after-tokens:3' }],
    ['with an error in it', { error: 'after-tokens:3' }],
  ])('a stream %s', async (_name, fault) => {
    await using given = await givenCached()
    const headers = { 'x-simulator-fault': JSON.stringify(fault) }
    const broken = await fetch(`${given.url}${PATH}`, chat({ stream: true }, headers))
    await broken.text().catch(() => undefined)
    const second = await fetch(`${given.url}${PATH}`, chat({ stream: true }))
    expect(statusOf(second)).toBe('Miss')
    expect(textOf(await second.text())).not.toBe('')
  })
})

describe('controls', () => {
  test('bypass neither reads nor stores, refresh asks and stores', async () => {
    await using given = await givenCached()
    const ask = async (headers: Record<string, string> = {}) => {
      const answer = await fetch(`${given.url}${PATH}`, chat({}, headers))
      await answer.arrayBuffer()
      return statusOf(answer)
    }
    expect(await ask({ 'x-pratu-cache': 'bypass' })).toBe('Bypass')
    expect(await ask({ 'cache-control': 'only-if-cached' })).toBe('Miss')
    expect(given.simulator.requests).toHaveLength(1)
    expect(await ask()).toBe('Miss')
    expect(await ask({ 'cache-control': 'only-if-cached' })).toBe('Hit')
    expect(await ask({ 'cache-control': 'no-store' })).toBe('Bypass')
    expect(await ask({ 'x-pratu-cache': 'refresh' })).toBe('Refresh')
    expect(await ask({ 'cache-control': 'no-cache' })).toBe('Refresh')
    expect(await ask({ 'cache-control': 'max-age=60' })).toBe('Hit')
    expect(given.simulator.requests).toHaveLength(5)
  })

  test('only deterministic requests, and only the models that the file says', async () => {
    await using given = await givenCached({
      ai: 'deterministic_only: true\nmodels:\n- {name: gpt-4.1-nano, cache: false}\n- {name: "gpt-*"}',
    })
    const twice = async (body: Record<string, unknown>) => {
      await (await fetch(`${given.url}${PATH}`, chat(body))).arrayBuffer()
      const second = await fetch(`${given.url}${PATH}`, chat(body))
      await second.arrayBuffer()
      return statusOf(second)
    }
    expect(await twice({})).toBe('Bypass')
    expect(await twice({ temperature: 0 })).toBe('Hit')
    expect(await twice({ seed: 7 })).toBe('Hit')
    expect(await twice({ model: 'gpt-4.1-nano', temperature: 0 })).toBe('Bypass')
  })
})
