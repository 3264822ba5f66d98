import { describe, expect, test } from 'vitest'
import { chat, givenAiGateway } from './gateway.ts'

describe('AI traffic on a plain service', () => {
  test('a completion comes back as the provider sent it, and is metered', async () => {
    await using given = await givenAiGateway()
    const answer = await fetch(`${given.url}/v1/chat/completions`, chat())
    expect(answer.status).toBe(200)
    const body = (await answer.json()) as { usage: { prompt_tokens: number } }
    const metrics = await (await fetch(`${given.adminUrl}/metrics`)).text()
    expect(metrics).toContain(
      `pratu_llm_tokens_total{service="chat",provider="127.0.0.1",model="gpt-4.1",kind="input",usage_source="provider"} ${body.usage.prompt_tokens}`,
    )
  })

  test('a stream comes back event by event, its end included', async () => {
    await using given = await givenAiGateway()
    const answer = await fetch(`${given.url}/v1/chat/completions`, chat({ stream: true }))
    const text = await answer.text()
    expect(answer.headers.get('content-type')).toContain('text/event-stream')
    expect(text.endsWith('data: [DONE]\n\n')).toBe(true)
  })

  test('the doubled path of the article reaches the intended path once', async () => {
    await using given = await givenAiGateway()
    await fetch(`${given.url}/v1/chat/completions`, chat())
    await fetch(`${given.url}/v1/chat`, chat())
    expect(given.simulator.requests.map(({ path }) => path)).toEqual([
      '/v1/chat/completions',
      '/v1/chat/completions',
    ])
  })
})

describe('a stream that did not end is never ended cleanly', () => {
  test.each([
    ['F23 the provider ends without its terminal event', { end: 'after-tokens:3' }],
    ['F23 all but the terminal event came', { end: 'before-terminal' }],
    ['F22 the provider closes in the middle', { close: 'after-tokens:3' }],
    ['F22 the provider resets the connection', { reset: 'after-tokens:3' }],
  ])('%s', async (_name, fault) => {
    await using given = await givenAiGateway()
    const answer = await fetch(
      `${given.url}/v1/chat/completions`,
      chat({ stream: true }, { 'x-simulator-fault': JSON.stringify(fault) }),
    )
    const { text, error } = await readAll(answer)
    expect(text).toContain('"error":{')
    expect(text).toContain('upstream_truncated')
    expect(text).not.toContain('[DONE]')
    expect(error).toBeInstanceOf(TypeError)
  })
})

/** Everything that arrived, and what broke. */
async function readAll(answer: Response): Promise<{ text: string; error: unknown }> {
  const decoder = new TextDecoder()
  let text = ''
  try {
    for await (const chunk of answer.body ?? []) text += decoder.decode(chunk, { stream: true })
    return { text, error: undefined }
  } catch (error) {
    return { text, error }
  }
}
