/** What clients of the benchmarks ask, and what their upstreams answer. */

const MESSAGES = [
  { role: 'system', content: 'You are a helpful assistant.' },
  { role: 'user', content: 'Say hello to the world, in two languages, and stop.' },
]

export const REQUEST_BODY = JSON.stringify({
  model: 'gpt-4.1',
  messages: MESSAGES,
  temperature: 0.7,
  max_tokens: 2048,
})

export const STREAM_REQUEST_BODY = JSON.stringify({
  model: 'gpt-4.1',
  messages: MESSAGES,
  stream: true,
  stream_options: { include_usage: true },
})

const ANSWER_HEAD = { id: 'chatcmpl-bench', created: 1_760_000_000, model: 'gpt-4.1' }
const USAGE = { prompt_tokens: 31, completion_tokens: 4, total_tokens: 35 }

export const ANSWER = JSON.stringify({
  ...ANSWER_HEAD,
  object: 'chat.completion',
  choices: [
    { index: 0, message: { role: 'assistant', content: 'Hello. สวัสดี' }, finish_reason: 'stop' },
  ],
  usage: USAGE,
})

/** Events of one streamed answer, the terminal one included. */
export const EVENTS: readonly string[] = [
  ...Array.from({ length: 47 }, (_, index) =>
    chunk({ choices: [{ index: 0, delta: { content: ` word${index}` }, finish_reason: null }] }),
  ),
  chunk({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] }),
  chunk({ choices: [], usage: { ...USAGE, completion_tokens: 47, total_tokens: 78 } }),
  'data: [DONE]\n\n',
]

function chunk(members: object): string {
  return `data: ${JSON.stringify({ ...ANSWER_HEAD, object: 'chat.completion.chunk', ...members })}\n\n`
}
