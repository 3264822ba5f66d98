import { completionTokens, member, type Usage } from '../usage/index.ts'
import { eventType } from './event-type.ts'
import { parseEvent, type StreamCutter } from './stream-cutter.ts'

/** Ends a message: the open block stops, then `message_delta` with `stop_reason: "max_tokens"` and `message_stop`. */
export class AnthropicCutter implements StreamCutter {
  #begun = false
  #ended = false
  /** Blocks are strictly sequential; -1 between two. */
  #openBlock = -1

  get ready(): boolean {
    return this.#begun && !this.#ended
  }

  read(data: Buffer): void {
    switch (eventType(data)) {
      case 'message_start':
        this.#begun = true
        break
      case 'content_block_start': {
        const index = member(parseEvent(data), 'index')
        this.#openBlock = typeof index === 'number' ? index : -1
        break
      }
      case 'content_block_stop':
        this.#openBlock = -1
        break
      case 'message_delta':
      case 'message_stop':
        this.#ended = true
        break
      default:
    }
  }

  end(usage: Usage): string {
    const stop =
      this.#openBlock < 0 ? '' : event({ type: 'content_block_stop', index: this.#openBlock })
    return (
      stop +
      event({
        type: 'message_delta',
        delta: { stop_reason: 'max_tokens', stop_sequence: null },
        usage: {
          input_tokens: usage.inputUncached,
          cache_read_input_tokens: usage.cacheRead,
          cache_creation_input_tokens: usage.cacheWrite + usage.cacheWriteLong,
          output_tokens: completionTokens(usage),
        },
      }) +
      event({ type: 'message_stop' })
    )
  }
}

/** The name on the `event:` line is mandatory: libraries skip what has none (llm-apis.md §1.4). */
function event(data: { readonly type: string; readonly [member: string]: unknown }): string {
  return `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`
}
