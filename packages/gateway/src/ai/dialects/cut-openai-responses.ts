import { completionTokens, promptTokens, type Usage } from '../usage/index.ts'
import { isRecord, parseEvent, type StreamCutter } from './stream-cutter.ts'

/** More text than an answer has: beyond it the closing events leave out what the client got already. */
const MAX_KEPT_CHARACTERS = 1_000_000

type Item = Record<string, unknown>

/**
 * Ends a response: the open item closes as `incomplete`, then `response.incomplete` with the reason `max_output_tokens`.
 * Libraries take the final answer from that event, so the output so far has to be in it.
 */
export class ResponsesCutter implements StreamCutter {
  #response: Readonly<Record<string, unknown>> | undefined
  /** By output index, as they were added and have grown since. */
  readonly #items = new Map<number, Item>()
  #openIndex: number | undefined
  #sequence = -1
  #kept = 0
  #ended = false

  get ready(): boolean {
    return this.#response !== undefined && !this.#ended
  }

  read(data: Buffer): void {
    const event = parseEvent(data)
    if (event === undefined) return
    const { type, sequence_number: sequence, output_index: index, item } = event
    if (typeof sequence === 'number') this.#sequence = sequence
    if (typeof type !== 'string') return
    const output = typeof index === 'number' ? index : -1
    switch (type) {
      case 'response.created':
        if (isRecord(event['response'])) this.#response = event['response']
        break
      case 'response.output_item.added':
        if (isRecord(item)) this.#items.set(output, { ...item })
        this.#openIndex = output
        break
      case 'response.output_item.done':
        if (isRecord(item)) this.#items.set(output, { ...item })
        this.#openIndex = undefined
        break
      case 'response.output_text.delta':
        this.#append(output, event, 'content', 'content_index', 'output_text')
        break
      case 'response.refusal.delta':
        this.#append(output, event, 'content', 'content_index', 'refusal')
        break
      case 'response.reasoning_summary_text.delta':
        this.#append(output, event, 'summary', 'summary_index', 'summary_text')
        break
      case 'response.function_call_arguments.delta':
        this.#appendTo(this.#items.get(output), 'arguments', event['delta'])
        break
      case 'response.completed':
      case 'response.incomplete':
      case 'response.failed':
      case 'error':
        this.#ended = true
        break
      default:
    }
  }

  /** Adds a piece of text to the part of an item that it belongs to. */
  #append(
    output: number,
    event: Readonly<Record<string, unknown>>,
    list: 'content' | 'summary',
    indexName: string,
    type: string,
  ): void {
    const item = this.#items.get(output)
    const index = event[indexName]
    if (item === undefined || typeof index !== 'number' || index < 0 || index > 1000) return
    const parts: unknown[] = Array.isArray(item[list]) ? [...item[list]] : []
    const known = parts[index]
    const part: Item = isRecord(known)
      ? { ...known }
      : { type, ...(type === 'output_text' ? { annotations: [] } : {}) }
    this.#appendTo(part, type === 'refusal' ? 'refusal' : 'text', event['delta'])
    parts[index] = part
    item[list] = parts
  }

  #appendTo(target: Item | undefined, name: string, delta: unknown): void {
    if (target === undefined || typeof delta !== 'string') return
    this.#kept += delta.length
    if (this.#kept > MAX_KEPT_CHARACTERS) return
    const before = target[name]
    target[name] = typeof before === 'string' ? before + delta : delta
  }

  end(usage: Usage): string {
    const open = this.#openIndex
    const events: string[] = []
    if (open !== undefined) {
      const item = { ...this.#items.get(open), status: 'incomplete' }
      this.#items.set(open, item)
      events.push(this.#event({ type: 'response.output_item.done', output_index: open, item }))
    }
    const output = [...this.#items].toSorted(([a], [b]) => a - b).map(([, item]) => item)
    events.push(
      this.#event({
        type: 'response.incomplete',
        response: {
          ...this.#response,
          status: 'incomplete',
          incomplete_details: { reason: 'max_output_tokens' },
          output,
          usage: responsesUsage(usage),
        },
      }),
    )
    return events.join('')
  }

  #event(data: { readonly type: string; readonly [member: string]: unknown }): string {
    this.#sequence++
    const { type, ...rest } = data
    const numbered = { type, sequence_number: this.#sequence, ...rest }
    return `event: ${type}\ndata: ${JSON.stringify(numbered)}\n\n`
  }
}

function responsesUsage(usage: Usage): object {
  const input = promptTokens(usage)
  const output = completionTokens(usage)
  return {
    input_tokens: input,
    input_tokens_details: { cached_tokens: usage.cacheRead },
    output_tokens: output,
    output_tokens_details: { reasoning_tokens: usage.reasoning },
    total_tokens: input + output,
  }
}
