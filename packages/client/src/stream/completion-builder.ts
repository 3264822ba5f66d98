import type {
  ChatChunk,
  ChatCompletion,
  ChunkChoice,
  FinishReason,
  TokenLogprob,
  TokenUsage,
  ToolCall,
  ToolCallDelta,
} from '../openai/index.ts'

/** Puts the chunks of a stream together to what the same request would have been answered with at once. */
export class CompletionBuilder {
  readonly #choices = new Map<number, ChoiceParts>()
  #head: ChatChunk | undefined
  #usage: TokenUsage | undefined

  add(chunk: ChatChunk): void {
    // Azure's first chunk has no id and no model.
    if (this.#head === undefined || this.#head.id === '') this.#head = chunk
    if (chunk.usage != null) this.#usage = chunk.usage
    for (const choice of chunk.choices) this.#choice(choice.index).add(choice)
  }

  get usage(): TokenUsage | undefined {
    return this.#usage
  }

  /** What has arrived; a choice that has not ended counts as cut by length. Undefined before the first chunk. */
  build(): ChatCompletion | undefined {
    if (this.#head === undefined) return undefined
    const { id, created, model, service_tier, system_fingerprint } = this.#head
    return {
      id,
      object: 'chat.completion',
      created,
      model,
      choices: [...this.#choices.entries()]
        .sort(([a], [b]) => a - b)
        .map(([index, parts]) => ({ index, ...parts.build() })),
      ...(this.#usage === undefined ? {} : { usage: this.#usage }),
      ...(service_tier === undefined ? {} : { service_tier }),
      ...(system_fingerprint === undefined ? {} : { system_fingerprint }),
    }
  }

  #choice(index: number): ChoiceParts {
    const known = this.#choices.get(index)
    if (known !== undefined) return known
    const parts = new ChoiceParts()
    this.#choices.set(index, parts)
    return parts
  }
}

class ChoiceParts {
  readonly #content: string[] = []
  readonly #refusal: string[] = []
  readonly #calls = new Map<number, CallParts>()
  readonly #contentLogprobs: TokenLogprob[] = []
  readonly #refusalLogprobs: TokenLogprob[] = []
  #hasLogprobs = false
  #finishReason: FinishReason | undefined

  add({ delta, finish_reason, logprobs }: ChunkChoice): void {
    if (delta.content != null) this.#content.push(delta.content)
    if (delta.refusal != null) this.#refusal.push(delta.refusal)
    for (const call of delta.tool_calls ?? []) this.#addCall(call)
    if (logprobs != null) {
      this.#hasLogprobs = true
      this.#contentLogprobs.push(...(logprobs.content ?? []))
      this.#refusalLogprobs.push(...(logprobs.refusal ?? []))
    }
    if (finish_reason != null) this.#finishReason = finish_reason
  }

  build(): Omit<ChatCompletion['choices'][number], 'index'> {
    const calls = [...this.#calls.entries()].sort(([a], [b]) => a - b)
    const content = this.#content.join('')
    const refusal = this.#refusal.join('')
    return {
      finish_reason: this.#finishReason ?? 'length',
      logprobs: this.#hasLogprobs
        ? {
            content: this.#contentLogprobs.length > 0 ? this.#contentLogprobs : null,
            refusal: this.#refusalLogprobs.length > 0 ? this.#refusalLogprobs : null,
          }
        : null,
      message: {
        role: 'assistant',
        content: content === '' && (calls.length > 0 || refusal !== '') ? null : content,
        refusal: refusal === '' ? null : refusal,
        ...(calls.length === 0 ? {} : { tool_calls: calls.map(([, parts]) => toolCall(parts)) }),
      },
    }
  }

  /** Calls are told apart by index: only the first piece of each has an id (llm-apis, chat streams). */
  #addCall({ index, id, type, function: fn, custom }: ToolCallDelta): void {
    const parts = this.#calls.get(index) ?? { id: '', type: 'function', name: '', input: '' }
    this.#calls.set(index, {
      id: parts.id === '' ? (id ?? '') : parts.id,
      type: type ?? (custom === undefined ? parts.type : 'custom'),
      name: parts.name + (fn?.name ?? custom?.name ?? ''),
      input: parts.input + (fn?.arguments ?? custom?.input ?? ''),
    })
  }
}

interface CallParts {
  readonly id: string
  readonly type: 'function' | 'custom'
  readonly name: string
  readonly input: string
}

function toolCall({ id, type, name, input }: CallParts): ToolCall {
  return type === 'custom'
    ? { id, type, custom: { name, input } }
    : { id, type, function: { name, arguments: input } }
}
