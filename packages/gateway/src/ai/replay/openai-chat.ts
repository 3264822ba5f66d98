import { pieces, readEvents, writeEvent, type StreamEvent } from './events.ts'
import {
  draftOf,
  indexOf,
  isObject,
  objectsIn,
  parseObject,
  type Draft,
  type JsonObject,
} from './json-object.ts'
import type { AnswerTwin } from './twin.ts'

const DONE = '[DONE]'

/** Members of a delta whose pieces are joined; any other member replaces what was there. */
const JOINED = new Set(['content', 'refusal', 'reasoning', 'reasoning_content'])
/** What a stream tells in a way of its own, or that would be cut apart wrongly. */
const NOT_NARRATED = ['audio', 'reasoning_details']
/** Of the chunk, not of the answer. */
const CHUNKS_OWN = new Set(['object', 'choices', 'obfuscation', 'usage'])

interface ChoiceDraft {
  readonly index: number
  readonly message: Draft
  readonly toolCalls: Draft[]
  logprobs: Draft | undefined
  finishReason: unknown
}

/** Chat completions (llm-apis.md §1.1). */
export const chatTwin: AnswerTwin = {
  assemble(events) {
    const answer = draftOf()
    const choices: ChoiceDraft[] = []
    let usage: unknown
    let done = false
    for (const { data } of events) {
      if (data === DONE) {
        done = true
        continue
      }
      const chunk = parseObject(data)
      if (chunk === undefined || chunk['error']) return undefined
      for (const [name, value] of Object.entries(chunk)) {
        // The first event of some hosts names nothing.
        if (!CHUNKS_OWN.has(name) && value !== '' && value !== null) answer[name] = value
      }
      usage = chunk['usage'] ?? usage
      for (const choice of objectsIn(chunk['choices']))
        if (!addChoice(choices, choice)) return undefined
    }
    if (!done || choices.length === 0) return undefined
    if (choices.some(({ finishReason }) => !finishReason)) return undefined
    return {
      ...answer,
      object: 'chat.completion',
      choices: choices.toSorted((a, b) => a.index - b.index).map(finishChoice),
      ...(usage === undefined ? {} : { usage }),
    }
  },

  narrate(answer, withUsage) {
    const { usage, choices: _choices, ...rest } = answer
    const head = { ...rest, object: 'chat.completion.chunk' }
    const extra = withUsage ? { usage: null } : {}
    let text = ''
    for (const choice of objectsIn(answer['choices'])) {
      const told = narrateChoice(choice)
      if (told === undefined) return undefined
      for (const one of told) text += writeEvent({ ...head, choices: [one], ...extra })
    }
    if (withUsage) text += writeEvent({ ...head, choices: [], usage: usage ?? null })
    return `${text}data: ${DONE}\n\n`
  },

  isComplete(answer) {
    if (answer['error']) return false
    const choices = objectsIn(answer['choices'])
    return (
      choices.length > 0 &&
      choices.every((choice) => isObject(choice['message']) && Boolean(choice['finish_reason']))
    )
  },

  withoutUsage: dropUsageEvent,
}

function addChoice(choices: ChoiceDraft[], chunk: JsonObject): boolean {
  const index = indexOf(chunk['index'], 0)
  let choice = choices.find((one) => one.index === index)
  if (choice === undefined) {
    choice = { index, message: draftOf(), toolCalls: [], logprobs: undefined, finishReason: null }
    choices.push(choice)
  }
  choice.finishReason = chunk['finish_reason'] || choice.finishReason
  if (isObject(chunk['logprobs'])) choice.logprobs = joinLists(choice.logprobs, chunk['logprobs'])
  return !isObject(chunk['delta']) || addDelta(choice, chunk['delta'])
}

function addDelta({ message, toolCalls }: ChoiceDraft, delta: JsonObject): boolean {
  for (const [name, value] of Object.entries(delta)) {
    if (name === 'tool_calls') {
      for (const call of objectsIn(value)) addToolCall(toolCalls, call)
    } else if (name === 'function_call' && isObject(value)) {
      message[name] = joinFunction(message[name], value)
    } else if (JOINED.has(name) && typeof value === 'string') {
      const before = message[name]
      message[name] = typeof before === 'string' ? before + value : value
    } else if (NOT_NARRATED.includes(name) && value !== null) return false
    else if (Array.isArray(value)) {
      const before = message[name]
      message[name] = Array.isArray(before)
        ? [...(before as unknown[]), ...(value as unknown[])]
        : value
    } else if (value !== null || !Object.hasOwn(message, name)) message[name] = value
  }
  return true
}

function addToolCall(calls: Draft[], part: JsonObject): void {
  // Some hosts leave the index out and send each call whole (llm-apis.md §1.8).
  const { index: _index, function: called, ...rest } = part
  const call = (calls[indexOf(part['index'], calls.length)] ??= draftOf())
  for (const [name, value] of Object.entries(rest))
    if (value !== null && value !== '') call[name] = value
  if (isObject(called)) call['function'] = joinFunction(call['function'], called)
}

function joinFunction(before: unknown, part: JsonObject): Draft {
  const joined = draftOf(isObject(before) ? before : { name: '', arguments: '' })
  for (const [name, value] of Object.entries(part)) {
    const earlier = joined[name]
    if (name === 'arguments' && typeof value === 'string') {
      joined[name] = typeof earlier === 'string' ? earlier + value : value
    } else if (value !== null && value !== '') joined[name] = value
  }
  return joined
}

function joinLists(before: Draft | undefined, part: JsonObject): Draft {
  const joined = before ?? draftOf()
  for (const [name, value] of Object.entries(part)) {
    const earlier = joined[name]
    joined[name] =
      Array.isArray(earlier) && Array.isArray(value)
        ? [...(earlier as unknown[]), ...(value as unknown[])]
        : (value ?? earlier ?? null)
  }
  return joined
}

function finishChoice({
  index,
  message,
  toolCalls,
  logprobs,
  finishReason,
}: ChoiceDraft): JsonObject {
  const calls = toolCalls.filter((call) => call !== undefined)
  return {
    index,
    message: {
      role: 'assistant',
      content: null,
      refusal: null,
      ...message,
      // A stream begins with empty text even where a tool is called.
      ...(calls.length > 0 && message['content'] === '' ? { content: null } : {}),
      ...(calls.length > 0 ? { tool_calls: calls } : {}),
    },
    logprobs: logprobs ?? null,
    finish_reason: finishReason,
  }
}

/** @returns the parts of one choice; `undefined` when it says what a stream cannot. */
function narrateChoice(choice: JsonObject): readonly JsonObject[] | undefined {
  const { message, logprobs, finish_reason: finishReason, ...rest } = choice
  if (!isObject(message)) return undefined
  const { role, content, tool_calls: calls, ...more } = message
  if (NOT_NARRATED.some((name) => (more[name] ?? null) !== null)) return undefined
  if (content !== null && content !== undefined && typeof content !== 'string') return undefined
  const part = (delta: JsonObject, logs: unknown = null): JsonObject => ({
    ...rest,
    delta,
    logprobs: logs,
    finish_reason: null,
  })
  const parts = [
    part({ role: role ?? 'assistant', content: typeof content === 'string' ? '' : null, ...more }),
  ]
  if (typeof content === 'string' && content !== '') {
    // What is known of each token belongs to the text as a whole: it is not cut apart.
    if (isObject(logprobs)) parts.push(part({ content }, logprobs))
    else for (const piece of pieces(content)) parts.push(part({ content: piece }))
  }
  for (const [index, call] of objectsIn(calls).entries()) {
    parts.push(part({ tool_calls: [{ index, ...call }] }))
  }
  parts.push({ ...rest, delta: {}, logprobs: null, finish_reason: finishReason })
  return parts
}

/**
 * Takes out the event that has usage and no choices: who did not ask for it reads `choices[0]` of every event. Where the
 * finishing event carries the usage as well, as at some hosts, it stays.
 */
export function dropUsageEvent(text: string): string {
  const usage = findUsageEvent(readEvents(tailOf(text)))
  if (usage === undefined) return text
  const shift = text.length - tailOf(text).length
  return text.slice(0, shift + usage.start) + text.slice(shift + usage.end)
}

/** Usage is told at the end; an event cut in the middle is no JSON and is passed over. */
const TAIL_UNITS = 16 * 1024

function tailOf(text: string): string {
  return text.length <= TAIL_UNITS ? text : text.slice(-TAIL_UNITS)
}

function findUsageEvent(events: readonly StreamEvent[]): StreamEvent | undefined {
  return events.findLast(({ data }) => {
    if (!data.includes('"usage"')) return false
    const chunk = parseObject(data)
    const choices = chunk?.['choices']
    return isObject(chunk?.['usage']) && Array.isArray(choices) && choices.length === 0
  })
}
