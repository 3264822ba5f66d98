import type { AiFormat } from '../../config/index.ts'
import { anthropicMessages } from './anthropic-messages.ts'
import type { Dialect } from './dialect.ts'
import { gemini } from './gemini.ts'
import { createOpenAiDialect } from './openai-chat.ts'
import { openaiResponses } from './openai-responses.ts'

export type { Dialect, StreamError, StreamReader } from './dialect.ts'
export type { CutOptions, StreamCutter } from './stream-cutter.ts'

/** Every wire format that is recognised, by its name in the configuration. */
export const DIALECTS: Readonly<Record<AiFormat, Dialect>> = {
  'openai-chat': createOpenAiDialect('openai-chat'),
  'openai-completions': createOpenAiDialect('openai-completions'),
  'openai-embeddings': createOpenAiDialect('openai-embeddings'),
  'openai-responses': openaiResponses,
  'anthropic-messages': anthropicMessages,
  gemini,
}
