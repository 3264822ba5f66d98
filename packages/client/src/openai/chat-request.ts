/**
 * What OpenAI's chat completions endpoint accepts. Wide where gateways and other providers accept more than OpenAI, so
 * that a value of the official library's own parameter type fits without a cast.
 */
export interface ChatRequest {
  readonly model: string
  readonly messages: readonly ChatMessage[]
  readonly temperature?: number | null
  readonly top_p?: number | null
  readonly max_tokens?: number | null
  readonly max_completion_tokens?: number | null
  readonly n?: number | null
  readonly stop?: string | readonly string[] | null
  readonly seed?: number | null
  readonly presence_penalty?: number | null
  readonly frequency_penalty?: number | null
  readonly logit_bias?: Readonly<Record<string, number>> | null
  readonly logprobs?: boolean | null
  readonly top_logprobs?: number | null
  readonly response_format?: ResponseFormat
  readonly tools?: readonly ChatTool[]
  readonly tool_choice?: ToolChoice
  readonly parallel_tool_calls?: boolean
  readonly functions?: readonly FunctionDefinition[]
  readonly function_call?: 'none' | 'auto' | { readonly name: string }
  readonly reasoning_effort?: string | null
  readonly verbosity?: string | null
  readonly modalities?: readonly string[] | null
  readonly audio?: object | null
  readonly prediction?: object | null
  readonly web_search_options?: object
  readonly moderation?: object | null
  readonly service_tier?: string | null
  readonly store?: boolean | null
  readonly metadata?: Readonly<Record<string, string>> | null
  readonly user?: string
  readonly safety_identifier?: string | null
  readonly prompt_cache_key?: string | null
  readonly prompt_cache_options?: object
  readonly prompt_cache_retention?: string | null
  readonly stream_options?: StreamOptions | null
  /** Chosen by the method: `chatCompletion` sends `false`, `stream` sends `true`. */
  readonly stream?: boolean | null
}

export interface StreamOptions {
  readonly include_usage?: boolean
  readonly include_obfuscation?: boolean
}

export type ChatMessage =
  | {
      readonly role: 'system' | 'developer' | 'user'
      readonly content: string | readonly ContentPart[]
      readonly name?: string
    }
  | AssistantMessage
  | {
      readonly role: 'tool'
      readonly content: string | readonly ContentPart[]
      readonly tool_call_id: string
    }
  | { readonly role: 'function'; readonly content: string | null; readonly name: string }

export interface AssistantMessage {
  readonly role: 'assistant'
  readonly content?: string | readonly ContentPart[] | null
  readonly refusal?: string | null
  readonly name?: string
  readonly audio?: { readonly id: string } | null
  readonly tool_calls?: readonly ToolCall[]
  readonly function_call?: { readonly name: string; readonly arguments: string } | null
}

export type ContentPart =
  | { readonly type: 'text'; readonly text: string }
  | {
      readonly type: 'image_url'
      readonly image_url: { readonly url: string; readonly detail?: string }
    }
  | {
      readonly type: 'input_audio'
      readonly input_audio: { readonly data: string; readonly format: string }
    }
  | {
      readonly type: 'file'
      readonly file: {
        readonly file_data?: string
        readonly file_id?: string
        readonly filename?: string
      }
    }
  | { readonly type: 'refusal'; readonly refusal: string }

export interface FunctionDefinition {
  readonly name: string
  readonly description?: string
  /** A JSON Schema. */
  readonly parameters?: Readonly<Record<string, unknown>>
  readonly strict?: boolean | null
}

export type ChatTool =
  | { readonly type: 'function'; readonly function: FunctionDefinition }
  | {
      readonly type: 'custom'
      readonly custom: {
        readonly name: string
        readonly description?: string
        readonly format?: object
      }
    }

export type ToolChoice =
  | 'none'
  | 'auto'
  | 'required'
  | { readonly type: 'function'; readonly function: { readonly name: string } }
  | { readonly type: 'custom'; readonly custom: { readonly name: string } }
  | { readonly type: 'allowed_tools'; readonly allowed_tools: object }

export type ToolCall =
  | {
      readonly id: string
      readonly type: 'function'
      readonly function: { readonly name: string; readonly arguments: string }
    }
  | {
      readonly id: string
      readonly type: 'custom'
      readonly custom: { readonly name: string; readonly input: string }
    }

export type ResponseFormat =
  | { readonly type: 'text' }
  | { readonly type: 'json_object' }
  | {
      readonly type: 'json_schema'
      readonly json_schema: {
        readonly name: string
        readonly description?: string
        readonly schema?: Readonly<Record<string, unknown>>
        readonly strict?: boolean | null
      }
    }
