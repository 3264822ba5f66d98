import type { AiFormat } from '../../config/index.ts'
import { jsonTextBytes, objectAfter, stringMember } from '../stream/index.ts'
import { fromInclusive, member, type UsageReading } from '../usage/index.ts'
import { OpenAiCutter } from './cut-openai-chat.ts'
import type { Dialect, StreamError, StreamReader } from './dialect.ts'

const USAGE = Buffer.from('"usage"')
const CONTENT = Buffer.from('"content"')
const TEXT = Buffer.from('"text"')
const ARGUMENTS = Buffer.from('"arguments"')
const REASONING = Buffer.from('"reasoning_content"')
const SERVICE_TIER = 'service_tier'
const ERROR = Buffer.from('"error"')
const DONE = '[DONE]'

/**
 * OpenAI counts inclusively: parts are contained in their totals (llm-apis.md §1.1). Hosts that speak its format differ:
 * xAI counts reasoning beside the completion, DeepSeek names the cached part of the prompt itself (llm-apis.md §1.8).
 */
export function readOpenAiUsage(wire: unknown, serviceTier?: unknown): UsageReading {
  if (wire === undefined || wire === null) return undefined
  const input = member(wire, 'prompt_tokens_details')
  const output = member(wire, 'completion_tokens_details')
  const reasoning = member(output, 'reasoning_tokens')
  return fromInclusive({
    input: member(wire, 'prompt_tokens'),
    cacheRead: member(input, 'cached_tokens') ?? member(wire, 'prompt_cache_hit_tokens'),
    cacheWrite: member(input, 'cache_write_tokens'),
    audioInput: member(input, 'audio_tokens'),
    output: withReasoning(wire, reasoning),
    reasoning,
    audioOutput: member(output, 'audio_tokens'),
    serviceTier,
  })
}

/** The completion's tokens, reasoning included: the total tells whether it already is. */
function withReasoning(wire: unknown, reasoning: unknown): unknown {
  const output = member(wire, 'completion_tokens')
  const total = member(wire, 'total_tokens')
  const input = member(wire, 'prompt_tokens')
  const counts = [input, output, total, reasoning]
  if (!counts.every((count) => typeof count === 'number') || reasoning === 0) return output
  return Number(total) === Number(input) + Number(output) + Number(reasoning)
    ? Number(output) + Number(reasoning)
    : output
}

/** @returns how an OpenAI client is told that its stream broke: no `[DONE]` follows. */
export function openAiErrorEvent({ code, message }: StreamError): string {
  return `data: ${JSON.stringify({ error: { message, type: 'server_error', code, param: null } })}\n\n`
}

/** Azure begins a stream with an event that names nothing (llm-apis.md §1.1). */
function nonEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text
}

/** Chat completions, legacy completions and embeddings share usage, errors and the `[DONE]` terminator. */
export function createOpenAiDialect(format: AiFormat): Dialect {
  const contentKeys = format === 'openai-completions' ? [TEXT] : [CONTENT, ARGUMENTS, REASONING]
  const contentBytes = (json: Buffer): number => {
    for (const key of contentKeys) {
      const bytes = jsonTextBytes(json, key)
      if (bytes > 0) return bytes
    }
    return 0
  }
  return {
    format,
    errorShape: 'openai',
    modelOf: (answer) => nonEmpty(stringMember(answer, 'model')),
    usageOf: (answer) =>
      readOpenAiUsage(objectAfter(answer, USAGE), stringMember(answer, SERVICE_TIER)),
    contentBytesOf: contentBytes,
    openStream: () => new OpenAiStream(contentBytes),
    openCutter: (options) => new OpenAiCutter(options, format === 'openai-completions'),
    errorEvent: openAiErrorEvent,
  }
}

/**
 * Only `[DONE]` ends a stream: a client library takes any clean end for a complete answer, usage or not (faults.md, fact 1).
 */
class OpenAiStream implements StreamReader {
  readonly #contentBytesOf: (event: Buffer) => number
  state: 'open' | 'complete' | 'failed' = 'open'
  usage: UsageReading
  contentEvents = 0
  contentBytes = 0

  constructor(contentBytesOf: (event: Buffer) => number) {
    this.#contentBytesOf = contentBytesOf
  }

  read(data: Buffer): void {
    if (data.length === DONE.length && data.toString('latin1') === DONE) {
      if (this.state === 'open') this.state = 'complete'
      return
    }
    const text = this.#contentBytesOf(data)
    if (text > 0) {
      this.contentEvents++
      this.contentBytes += text
    }
    const usage = objectAfter(data, USAGE)
    if (usage !== undefined && usage !== null) {
      this.usage = readOpenAiUsage(usage, stringMember(data, SERVICE_TIER))
    }
    if (data.includes(ERROR)) this.#readError(data)
  }

  /** Client libraries throw on a truthy top-level `error`: the provider has told of its failure itself. */
  #readError(data: Buffer): void {
    if (member(parse(data), 'error')) this.state = 'failed'
  }
}

function parse(data: Buffer): unknown {
  try {
    return JSON.parse(data.toString('utf8'))
  } catch {
    return undefined
  }
}
