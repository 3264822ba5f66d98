import { completionTokens, member, promptTokens, type Usage } from '../usage/index.ts'
import { parseEvent, type CutOptions, type StreamCutter } from './stream-cutter.ts'

const FINISH_REASON = Buffer.from('"finish_reason"')

/** Ends chat and legacy completions: a chunk with `finish_reason: "length"` for each open choice, usage, `[DONE]`. */
export class OpenAiCutter implements StreamCutter {
  readonly #options: CutOptions
  readonly #legacy: boolean
  /** What every chunk repeats; the first chunk that names its model has it. */
  #envelope: Readonly<Record<string, unknown>> | undefined
  readonly #finished = new Set<unknown>()

  constructor(options: CutOptions, legacy: boolean) {
    this.#options = options
    this.#legacy = legacy
  }

  get ready(): boolean {
    return this.#envelope !== undefined && this.#finished.size < this.#options.choices
  }

  read(data: Buffer): void {
    if (this.#envelope === undefined) this.#begin(data)
    // Only where a reason stands: most chunks say null.
    const at = data.indexOf(FINISH_REASON)
    if (at < 0 || (this.#options.choices === 1 && isNull(data, at + FINISH_REASON.length))) return
    const choices = member(parseEvent(data), 'choices')
    if (!Array.isArray(choices)) return
    for (const choice of choices) {
      if (typeof member(choice, 'finish_reason') === 'string')
        this.#finished.add(member(choice, 'index'))
    }
  }

  /** Azure's first chunk names nothing and has no choices (llm-apis.md §1.1). */
  #begin(data: Buffer): void {
    const event = parseEvent(data)
    if (event === undefined || !Array.isArray(event['choices']) || event['choices'].length === 0)
      return
    const { choices: _choices, usage: _usage, obfuscation: _padding, ...envelope } = event
    this.#envelope = envelope
  }

  end(usage: Usage): string {
    const events: string[] = []
    for (let index = 0; index < this.#options.choices; index++) {
      if (this.#finished.has(index)) continue
      const content = this.#legacy ? { text: '' } : { delta: {} }
      events.push(
        this.#chunk({
          choices: [{ index, ...content, logprobs: null, finish_reason: 'length' }],
          ...(this.#options.includeUsage ? { usage: null } : {}),
        }),
      )
    }
    if (this.#options.includeUsage) {
      events.push(this.#chunk({ choices: [], usage: openAiUsage(usage) }))
    }
    return `${events.join('')}data: [DONE]\n\n`
  }

  #chunk(members: object): string {
    return `data: ${JSON.stringify({ ...this.#envelope, ...members })}\n\n`
  }
}

function openAiUsage(usage: Usage): object {
  const prompt = promptTokens(usage)
  const completion = completionTokens(usage)
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: usage.cacheRead },
    completion_tokens_details: { reasoning_tokens: usage.reasoning },
  }
}

function isNull(data: Buffer, from: number): boolean {
  let i = from
  while (data[i] === 0x20 || data[i] === 0x3a) i++
  // `n` of null.
  return data[i] === 0x6e
}
