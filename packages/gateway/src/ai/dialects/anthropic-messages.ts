import { jsonTextBytes, objectAfter, stringMember } from '../stream/index.ts'
import {
  member,
  NO_USAGE,
  readCount,
  readServiceTier,
  type Usage,
  type UsageReading,
} from '../usage/index.ts'
import { AnthropicCutter } from './cut-anthropic.ts'
import type { Dialect, StreamReader } from './dialect.ts'
import { eventType } from './event-type.ts'

const USAGE = Buffer.from('"usage"')
const CONTENT_KEYS = ['"text"', '"thinking"', '"partial_json"'].map((key) => Buffer.from(key))

/** Anthropic counts exclusively: cache tokens are not in `input_tokens` (llm-apis.md §1.4). */
function readUsage(wire: unknown, before?: Usage): UsageReading {
  if (wire === undefined || wire === null) return undefined
  const thinking = readCount(member(member(wire, 'output_tokens_details'), 'thinking_tokens'))
  const output = readCount(member(wire, 'output_tokens'))
  const input = countOr(member(wire, 'input_tokens'), before?.inputUncached)
  const cacheRead = countOr(member(wire, 'cache_read_input_tokens'), before?.cacheRead)
  const written = countOr(
    member(wire, 'cache_creation_input_tokens'),
    before === undefined ? undefined : before.cacheWrite + before.cacheWriteLong,
  )
  const cacheWriteLong = countOr(
    member(member(wire, 'cache_creation'), 'ephemeral_1h_input_tokens'),
    before?.cacheWriteLong,
  )
  const webSearches = countOr(
    member(member(wire, 'server_tool_use'), 'web_search_requests'),
    before?.webSearches,
  )
  if (
    thinking === undefined ||
    output === undefined ||
    input === undefined ||
    cacheRead === undefined ||
    written === undefined ||
    cacheWriteLong === undefined ||
    webSearches === undefined ||
    cacheWriteLong > written ||
    thinking > output
  ) {
    return 'anomaly'
  }
  return {
    ...NO_USAGE,
    inputUncached: input,
    cacheRead,
    cacheWrite: written - cacheWriteLong,
    cacheWriteLong,
    webSearches,
    serviceTier: readServiceTier(member(wire, 'service_tier')) ?? before?.serviceTier,
    outputText: output - thinking,
    reasoning: thinking,
    source: 'provider',
  }
}

/** The closing event may leave input counts out: the opening event's stand (llm-apis.md §1.4). */
function countOr(value: unknown, before: number | undefined): number | undefined {
  return value === undefined || value === null ? (before ?? 0) : readCount(value)
}

function contentBytesOf(json: Buffer): number {
  for (const key of CONTENT_KEYS) {
    const bytes = jsonTextBytes(json, key)
    if (bytes > 0) return bytes
  }
  return 0
}

export const anthropicMessages: Dialect = {
  format: 'anthropic-messages',
  errorShape: 'anthropic',
  modelOf: (answer) =>
    stringMember(answer, 'model', eventType(answer) === 'message_start' ? 'message' : undefined),
  usageOf: (answer) => readUsage(objectAfter(answer, USAGE)),
  contentBytesOf,
  openStream: () => new MessagesStream(),
  openCutter: () => new AnthropicCutter(),
  errorEvent: ({ message }) =>
    `event: error\ndata: ${JSON.stringify({ type: 'error', error: { type: 'api_error', message } })}\n\n`,
}

class MessagesStream implements StreamReader {
  state: 'open' | 'complete' | 'failed' = 'open'
  usage: UsageReading
  contentEvents = 0
  contentBytes = 0

  read(data: Buffer): void {
    switch (eventType(data)) {
      case 'content_block_delta': {
        const text = contentBytesOf(data)
        if (text > 0) {
          this.contentEvents++
          this.contentBytes += text
        }
        break
      }
      case 'message_start':
      case 'message_delta': {
        const before = typeof this.usage === 'object' ? this.usage : undefined
        this.usage = readUsage(objectAfter(data, USAGE), before) ?? this.usage
        break
      }
      case 'message_stop':
        this.state = 'complete'
        break
      case 'error':
        this.state = 'failed'
        break
      default:
    }
  }
}
