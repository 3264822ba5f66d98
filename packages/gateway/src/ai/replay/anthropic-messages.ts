import { pieces, writeEvent } from './events.ts'
import {
  draftOf,
  indexOf,
  isObject,
  objectsIn,
  parseObject,
  textOf,
  type Draft,
  type JsonObject,
} from './json-object.ts'
import type { AnswerTwin } from './twin.ts'

/** A block, and the JSON of its input as far as it has come. */
interface BlockDraft {
  readonly block: Draft
  input: string | undefined
}

/** Anthropic's messages (llm-apis.md §1.4). */
export const messagesTwin: AnswerTwin = {
  assemble(events) {
    let message: Draft | undefined
    const blocks: BlockDraft[] = []
    let stopped = false
    for (const { data } of events) {
      const event = parseObject(data)
      if (event === undefined) return undefined
      const place = indexOf(event['index'], 0)
      switch (event['type']) {
        case 'message_start':
          if (isObject(event['message'])) message = draftOf(event['message'])
          break
        case 'content_block_start':
          if (!isObject(event['content_block'])) return undefined
          blocks[place] = { block: draftOf(event['content_block']), input: undefined }
          break
        case 'content_block_delta': {
          const block = blocks[place]
          if (block === undefined || !isObject(event['delta'])) return undefined
          if (!addDelta(block, event['delta'])) return undefined
          break
        }
        case 'message_delta':
          if (message === undefined) return undefined
          if (isObject(event['delta'])) Object.assign(message, event['delta'])
          if (isObject(event['usage']))
            message['usage'] = mergeUsage(message['usage'], event['usage'])
          break
        case 'message_stop':
          stopped = true
          break
        case 'error':
          return undefined
        default:
      }
    }
    if (!stopped || message === undefined || !message['stop_reason']) return undefined
    const content = blocks.map(finishBlock)
    return content.includes(undefined) ? undefined : { ...message, content }
  },

  narrate(answer) {
    const usage = isObject(answer['usage']) ? answer['usage'] : {}
    const { stop_reason: stopReason, stop_sequence: stopSequence, content } = answer
    let text = writeNamed({
      type: 'message_start',
      message: { ...answer, content: [], stop_reason: null, stop_sequence: null },
    })
    for (const [index, block] of objectsIn(content).entries()) {
      const { start, deltas } = narrateBlock(block)
      text += writeNamed({ type: 'content_block_start', index, content_block: start })
      for (const delta of deltas) text += writeNamed({ type: 'content_block_delta', index, delta })
      text += writeNamed({ type: 'content_block_stop', index })
    }
    const delta = { stop_reason: stopReason, stop_sequence: stopSequence ?? null }
    return (
      text +
      writeNamed({ type: 'message_delta', delta, usage }) +
      writeNamed({ type: 'message_stop' })
    )
  },

  isComplete: (answer) =>
    answer['type'] === 'message' &&
    Array.isArray(answer['content']) &&
    Boolean(answer['stop_reason']),
}

/** @returns `false` for a delta of a kind that is not known: it cannot be put in its place. */
function addDelta(draft: BlockDraft, delta: JsonObject): boolean {
  const { block } = draft
  const join = (name: string): boolean => {
    const before = block[name]
    block[name] = `${typeof before === 'string' ? before : ''}${textOf(delta[name])}`
    return true
  }
  switch (delta['type']) {
    case 'text_delta':
      return join('text')
    case 'thinking_delta':
      return join('thinking')
    case 'signature_delta':
      return join('signature')
    case 'input_json_delta':
      draft.input = `${draft.input ?? ''}${textOf(delta['partial_json'])}`
      return true
    case 'citations_delta': {
      const before = block['citations']
      block['citations'] = [
        ...(Array.isArray(before) ? (before as unknown[]) : []),
        delta['citation'],
      ]
      return true
    }
    default:
      return false
  }
}

function finishBlock(draft: BlockDraft | undefined): JsonObject | undefined {
  if (draft === undefined) return undefined
  const { block, input } = draft
  if (input === undefined || input === '') return block
  const parsed = parseObject(input)
  return parsed === undefined ? undefined : { ...block, input: parsed }
}

/** The last word counts; what it leaves out stands as it was (llm-apis.md §1.4). */
function mergeUsage(before: unknown, last: JsonObject): JsonObject {
  const merged = draftOf(isObject(before) ? before : {})
  for (const [name, value] of Object.entries(last)) if (value !== null) merged[name] = value
  return merged
}

interface ToldBlock {
  readonly start: JsonObject
  readonly deltas: readonly JsonObject[]
}

function narrateBlock(block: JsonObject): ToldBlock {
  const { text, thinking, signature, citations, input } = block
  if (block['type'] === 'text' && typeof text === 'string') {
    const cited = objectsIn(citations).map((citation) => ({ type: 'citations_delta', citation }))
    const start = Array.isArray(citations)
      ? { ...block, text: '', citations: [] }
      : { ...block, text: '' }
    return {
      start,
      deltas: [...cited, ...pieces(text).map((piece) => ({ type: 'text_delta', text: piece }))],
    }
  }
  if (block['type'] === 'thinking' && typeof thinking === 'string') {
    return {
      start: { ...block, thinking: '', signature: '' },
      deltas: [
        ...pieces(thinking).map((piece) => ({ type: 'thinking_delta', thinking: piece })),
        { type: 'signature_delta', signature: signature ?? '' },
      ],
    }
  }
  if (isObject(input)) {
    const json = JSON.stringify(input)
    return {
      start: { ...block, input: {} },
      deltas: pieces(json).map((piece) => ({ type: 'input_json_delta', partial_json: piece })),
    }
  }
  return { start: block, deltas: [] }
}

function writeNamed(event: JsonObject & { readonly type: string }): string {
  return writeEvent(event, event.type)
}
