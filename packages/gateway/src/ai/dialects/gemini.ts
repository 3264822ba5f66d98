import { jsonTextBytes, objectAfter, stringMember } from '../stream/index.ts'
import { fromInclusive, member, readCount, type UsageReading } from '../usage/index.ts'
import { GeminiCutter } from './cut-gemini.ts'
import type { Dialect, StreamReader } from './dialect.ts'

const USAGE = Buffer.from('"usageMetadata"')
const TEXT = Buffer.from('"text"')
const FINISH = Buffer.from('"finishReason"')
const ERROR = Buffer.from('"error"')

/**
 * Gemini keeps thoughts beside the candidates' tokens, and what its own tools put into the prompt beside the prompt's
 * (llm-apis.md §1.5).
 */
function readUsage(wire: unknown): UsageReading {
  if (wire === undefined || wire === null) return undefined
  const thoughts = readCount(member(wire, 'thoughtsTokenCount'))
  const candidates = readCount(member(wire, 'candidatesTokenCount'))
  const prompt = readCount(member(wire, 'promptTokenCount'))
  const toolResults = readCount(member(wire, 'toolUsePromptTokenCount'))
  if (
    thoughts === undefined ||
    candidates === undefined ||
    prompt === undefined ||
    toolResults === undefined
  ) {
    return 'anomaly'
  }
  return fromInclusive({
    input: prompt + toolResults,
    cacheRead: member(wire, 'cachedContentTokenCount'),
    cacheWrite: 0,
    audioInput: audioTokens(member(wire, 'promptTokensDetails')),
    output: candidates + thoughts,
    reasoning: thoughts,
    audioOutput: audioTokens(member(wire, 'candidatesTokensDetails')),
    serviceTier: member(wire, 'serviceTier'),
  })
}

function audioTokens(details: unknown): unknown {
  if (!Array.isArray(details)) return 0
  const audio: unknown = details.find((part) => member(part, 'modality') === 'AUDIO')
  return member(audio, 'tokenCount')
}

export const gemini: Dialect = {
  format: 'gemini',
  errorShape: 'gemini',
  // `:streamGenerateContent` without `alt=sse` (llm-apis.md §1.5).
  arrayIsStream: true,
  modelOf: (answer) => stringMember(answer, 'modelVersion'),
  usageOf: (answer) => readUsage(objectAfter(answer, USAGE)),
  contentBytesOf: (answer) => jsonTextBytes(answer, TEXT),
  openStream: () => new GeminiStream(),
  openCutter: ({ choices }) => new GeminiCutter(choices),
  errorEvent: ({ status, message }) =>
    `data: ${JSON.stringify({ error: { code: status, message, status: 'INTERNAL' } })}\n\n`,
}

class GeminiStream implements StreamReader {
  state: 'open' | 'complete' | 'failed' = 'open'
  usage: UsageReading
  contentEvents = 0
  contentBytes = 0

  read(data: Buffer): void {
    const text = jsonTextBytes(data, TEXT)
    if (text > 0) {
      this.contentEvents++
      this.contentBytes += text
    }
    // Cumulative in every event: the last one stands.
    this.usage = readUsage(objectAfter(data, USAGE)) ?? this.usage
    if (data.includes(FINISH)) this.state = 'complete'
    else if (data.includes(ERROR) && objectAfter(data, ERROR)) this.state = 'failed'
  }
}
