import type { FinishReason, ServiceTier, TokenLogprobs, TokenUsage } from './chat-completion.ts'

/** One event of a stream. Fits where the official library's `ChatCompletionChunk` is wanted. */
export interface ChatChunk {
  readonly id: string
  readonly object: 'chat.completion.chunk'
  readonly created: number
  readonly model: string
  readonly choices: ChunkChoice[]
  readonly usage?: TokenUsage | null
  readonly service_tier?: ServiceTier | null
  readonly system_fingerprint?: string
}

export interface ChunkChoice {
  readonly index: number
  readonly delta: ChunkDelta
  readonly finish_reason: FinishReason | null
  readonly logprobs?: TokenLogprobs | null
}

export interface ChunkDelta {
  readonly role?: 'developer' | 'system' | 'user' | 'assistant' | 'tool'
  readonly content?: string | null
  readonly refusal?: string | null
  readonly tool_calls?: ToolCallDelta[]
}

export interface ToolCallDelta {
  /** Which call this continues; the id comes with its first piece only. */
  readonly index: number
  readonly id?: string
  readonly type?: 'function' | 'custom'
  readonly function?: { readonly name?: string; readonly arguments?: string }
  readonly custom?: { readonly name?: string; readonly input?: string }
}
