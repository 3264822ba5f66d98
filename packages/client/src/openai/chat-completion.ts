import type { ToolCall } from './chat-request.ts'

/** A complete answer. Fits where the official library's `ChatCompletion` is wanted. */
export interface ChatCompletion {
  readonly id: string
  readonly object: 'chat.completion'
  /** Seconds since 1970. */
  readonly created: number
  readonly model: string
  readonly choices: ChatChoice[]
  readonly usage?: TokenUsage
  readonly service_tier?: ServiceTier | null
  readonly system_fingerprint?: string
}

export type ServiceTier = 'auto' | 'default' | 'flex' | 'scale' | 'priority' | 'fast'

export type FinishReason = 'stop' | 'length' | 'tool_calls' | 'content_filter' | 'function_call'

export interface ChatChoice {
  readonly index: number
  readonly finish_reason: FinishReason
  readonly logprobs: TokenLogprobs | null
  readonly message: ChatAnswer
}

export interface ChatAnswer {
  readonly role: 'assistant'
  readonly content: string | null
  readonly refusal: string | null
  readonly tool_calls?: ToolCall[]
}

export interface TokenLogprobs {
  readonly content: TokenLogprob[] | null
  readonly refusal: TokenLogprob[] | null
}

export interface TokenLogprob {
  readonly token: string
  readonly logprob: number
  readonly bytes: number[] | null
  readonly top_logprobs: {
    readonly token: string
    readonly logprob: number
    readonly bytes: number[] | null
  }[]
}

/** Tokens as the provider counted them: `prompt_tokens` includes cached ones, `completion_tokens` reasoning. */
export interface TokenUsage {
  readonly prompt_tokens: number
  readonly completion_tokens: number
  readonly total_tokens: number
  readonly prompt_tokens_details?: {
    readonly cached_tokens?: number
    readonly cache_write_tokens?: number
    readonly audio_tokens?: number
  }
  readonly completion_tokens_details?: {
    readonly reasoning_tokens?: number
    readonly audio_tokens?: number
    readonly accepted_prediction_tokens?: number
    readonly rejected_prediction_tokens?: number
  }
}
