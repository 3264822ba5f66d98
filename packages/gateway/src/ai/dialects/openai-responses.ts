import { jsonTextBytes, objectAfter, stringMember } from '../stream/index.ts'
import { fromInclusive, member, type UsageReading } from '../usage/index.ts'
import { ResponsesCutter } from './cut-openai-responses.ts'
import type { Dialect, StreamReader } from './dialect.ts'
import { eventType } from './event-type.ts'

const USAGE = Buffer.from('"usage"')
const TEXT = Buffer.from('"text"')
const SERVICE_TIER = 'service_tier'
const DELTA = Buffer.from('"delta"')

function readUsage(wire: unknown, serviceTier: unknown): UsageReading {
  if (wire === undefined || wire === null) return undefined
  const input = member(wire, 'input_tokens_details')
  const output = member(wire, 'output_tokens_details')
  return fromInclusive({
    input: member(wire, 'input_tokens'),
    cacheRead: member(input, 'cached_tokens'),
    cacheWrite: member(input, 'cache_write_tokens'),
    audioInput: member(input, 'audio_tokens'),
    output: member(wire, 'output_tokens'),
    reasoning: member(output, 'reasoning_tokens'),
    audioOutput: member(output, 'audio_tokens'),
    serviceTier,
  })
}

/** OpenAI Responses: usage and the end are in one terminal event (llm-apis.md §1.3). */
export const openaiResponses: Dialect = {
  format: 'openai-responses',
  errorShape: 'openai',
  modelOf: (answer) => stringMember(answer, 'model', isEvent(answer) ? 'response' : undefined),
  usageOf: (answer) => readUsage(objectAfter(answer, USAGE), stringMember(answer, SERVICE_TIER)),
  contentBytesOf: (answer) => jsonTextBytes(answer, TEXT),
  openStream: () => new ResponsesStream(),
  openCutter: () => new ResponsesCutter(),
  errorEvent: ({ code, message }) =>
    `event: error\ndata: ${JSON.stringify({ type: 'error', code, message, param: null })}\n\n`,
}

/** An event has the answer inside of it; the answer itself has no `type`. */
function isEvent(json: Buffer): boolean {
  return eventType(json).startsWith('response.')
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
        this.usage = readUsage(
          objectAfter(data, USAGE),
          stringMember(data, SERVICE_TIER, 'response'),
        )
        break
      case 'error':
        this.state = 'failed'
        break
      default:
    }
  }
}
