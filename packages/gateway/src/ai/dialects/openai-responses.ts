import { jsonTextBytes, objectAfter } from '../stream/index.ts'
import { fromInclusive, member, type UsageReading } from '../usage/index.ts'
import type { Dialect, StreamReader } from './dialect.ts'
import { eventType } from './event-type.ts'

const USAGE = Buffer.from('"usage"')
const TEXT = Buffer.from('"text"')
const DELTA = Buffer.from('"delta"')

function readUsage(wire: unknown): UsageReading {
  if (wire === undefined || wire === null) return undefined
  const input = member(wire, 'input_tokens_details')
  return fromInclusive({
    input: member(wire, 'input_tokens'),
    cacheRead: member(input, 'cached_tokens'),
    cacheWrite: member(input, 'cache_write_tokens'),
    output: member(wire, 'output_tokens'),
    reasoning: member(member(wire, 'output_tokens_details'), 'reasoning_tokens'),
  })
}

/** OpenAI Responses: usage and the end are in one terminal event (llm-apis.md §1.3). */
export const openaiResponses: Dialect = {
  format: 'openai-responses',
  errorShape: 'openai',
  usageOf: (answer) => readUsage(objectAfter(answer, USAGE)),
  contentBytesOf: (answer) => jsonTextBytes(answer, TEXT),
  openStream: () => new ResponsesStream(),
  errorEvent: ({ code, message }) =>
    `event: error\ndata: ${JSON.stringify({ type: 'error', code, message, param: null })}\n\n`,
}

class ResponsesStream implements StreamReader {
  state: 'open' | 'complete' | 'failed' = 'open'
  usage: UsageReading
  contentEvents = 0
  contentBytes = 0

  read(data: Buffer): void {
    const type = eventType(data)
    if (type.endsWith('.delta')) {
      const text = jsonTextBytes(data, DELTA)
      if (text > 0) {
        this.contentEvents++
        this.contentBytes += text
      }
      return
    }
    switch (type) {
      case 'response.completed':
      case 'response.incomplete':
      case 'response.failed':
        this.state = 'complete'
        this.usage = readUsage(objectAfter(data, USAGE))
        break
      case 'error':
        this.state = 'failed'
        break
      default:
    }
  }
}
