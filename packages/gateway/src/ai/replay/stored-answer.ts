import type { AiFormat } from '../../config/index.ts'
import { DIALECTS } from '../dialects/index.ts'
import { messagesTwin } from './anthropic-messages.ts'
import { readEvents, type StreamEvent } from './events.ts'
import { indexOf, isObject, objectsIn, parseObject, type JsonObject } from './json-object.ts'
import { chatTwin } from './openai-chat.ts'
import { completionsTwin } from './openai-completions.ts'
import { responsesTwin } from './openai-responses.ts'
import type { AnswerTwin } from './twin.ts'

/** How an answer was sent: as one object, or as events. */
export type AnswerForm = 'json' | 'events'

/** What a caller wants an answer to look like. */
export interface WantedForm {
  readonly streamed: boolean
  readonly wantsUsage: boolean
}

const TWINS: Partial<Record<AiFormat, AnswerTwin>> = {
  'openai-chat': chatTwin,
  'openai-completions': completionsTwin,
  'openai-responses': responsesTwin,
  'anthropic-messages': messagesTwin,
}

/** @returns `undefined` for a media type that no answer of a model has. */
export function formOf(contentType: string | undefined): AnswerForm | undefined {
  const type = contentType?.split(';', 1)[0]?.trim().toLowerCase()
  if (type === 'text/event-stream') return 'events'
  return type === 'application/json' ? 'json' : undefined
}

/**
 * Judges an answer before it is kept (F75).
 *
 * @returns `broken`: never give it to anyone else. `as-sent`: complete, but only for callers who want this very form.
 *   `either`: it can be told in both forms.
 */
export function examineAnswer(
  format: AiFormat,
  form: AnswerForm,
  body: Buffer,
): 'broken' | 'as-sent' | 'either' {
  const text = body.toString('utf8')
  return form === 'json' ? examineObject(format, text) : examineStream(format, text)
}

function examineObject(format: AiFormat, text: string): 'broken' | 'as-sent' | 'either' {
  const answer = parseObject(text)
  if (answer === undefined) return 'broken'
  const twin = TWINS[format]
  if (twin !== undefined) {
    if (!twin.isComplete(answer)) return 'broken'
    return twin.narrate(answer, false) === undefined ? 'as-sent' : 'either'
  }
  return isCompleteWithoutTwin(format, answer) ? 'as-sent' : 'broken'
}

function isCompleteWithoutTwin(format: AiFormat, answer: JsonObject): boolean {
  if (answer['error']) return false
  if (format === 'openai-embeddings') return objectsIn(answer['data']).length > 0
  const candidates = objectsIn(answer['candidates'])
  return candidates.length > 0 && candidates.every((one) => Boolean(one['finishReason']))
}

function examineStream(format: AiFormat, text: string): 'broken' | 'as-sent' | 'either' {
  const events = readEvents(text)
  if (!isTerminated(format, events)) return 'broken'
  const twin = TWINS[format]
  if (twin?.assemble(events) !== undefined) return 'either'
  const byChoice = twin === chatTwin || twin === completionsTwin
  return byChoice && !everyChoiceEnds(events) ? 'broken' : 'as-sent'
}

/** OpenAI tells for each choice why it ended. */
function everyChoiceEnds(events: readonly StreamEvent[]): boolean {
  const ended = new Map<number, boolean>()
  for (const { data } of events) {
    for (const choice of objectsIn(parseObject(data)?.['choices'])) {
      const index = indexOf(choice['index'], 0)
      ended.set(index, ended.get(index) === true || Boolean(choice['finish_reason']))
    }
  }
  return ended.size > 0 && ![...ended.values()].includes(false)
}

function isTerminated(format: AiFormat, events: readonly StreamEvent[]): boolean {
  const reader = DIALECTS[format].openStream()
  for (const { data } of events) reader.read(Buffer.from(data))
  return reader.state === 'complete' && reader.contentEvents > 0
}

/** Whether an answer of this form can be given to a caller who wants that one. */
export function canTell(
  format: AiFormat,
  kept: { readonly form: AnswerForm; readonly either: boolean; readonly hasUsage: boolean },
  wanted: WantedForm,
): boolean {
  const isAsWanted = kept.form === (wanted.streamed ? 'events' : 'json')
  if (!isAsWanted && (!kept.either || TWINS[format] === undefined)) return false
  return kept.hasUsage || !wanted.wantsUsage
}

/**
 * Tells a kept answer in the form that a caller wants.
 *
 * @returns `undefined` when it cannot be told so; the bytes as they are where they are as wanted.
 */
export function tellAnswer(
  format: AiFormat,
  form: AnswerForm,
  body: Uint8Array,
  wanted: WantedForm,
): Uint8Array | undefined {
  const twin = TWINS[format]
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength)
  if (form === 'events') {
    if (!wanted.streamed) {
      const answer = twin?.assemble(readEvents(bytes.toString('utf8')))
      return answer === undefined ? undefined : Buffer.from(JSON.stringify(answer))
    }
    if (wanted.wantsUsage || twin?.withoutUsage === undefined) return body
    return withoutUsage(twin.withoutUsage, bytes)
  }
  if (!wanted.streamed) return body
  const answer = parseObject(bytes.toString('utf8'))
  const told = answer === undefined ? undefined : twin?.narrate(answer, wanted.wantsUsage)
  return told === undefined ? undefined : Buffer.from(told)
}

/** Usage stands at the end: only that is read. */
const TAIL_BYTES = 16 * 1024

function withoutUsage(drop: (text: string) => string, bytes: Buffer): Buffer {
  const from = Math.max(0, bytes.length - TAIL_BYTES)
  // Latin-1 keeps every byte, and what is looked for is ASCII.
  const tail = bytes.toString('latin1', from)
  const dropped = drop(tail)
  if (dropped.length === tail.length) return bytes
  return Buffer.concat([bytes.subarray(0, from), Buffer.from(dropped, 'latin1')])
}

/** Takes usage that was not asked for out of a stream while it passes. */
export class UsageFilter {
  #held: Buffer = Buffer.alloc(0)

  /** @returns the events that are complete by now. */
  push(chunk: Uint8Array): Uint8Array {
    const bytes = Buffer.concat([this.#held, chunk])
    const end = Math.max(bytes.lastIndexOf('\n\n') + 2, bytes.lastIndexOf('\r\n\r\n') + 4)
    if (end < 4) {
      this.#held = bytes
      return NOTHING
    }
    this.#held = bytes.subarray(end)
    return withoutUsageEvents(bytes.subarray(0, end))
  }

  end(): Uint8Array {
    return withoutUsageEvents(this.#held)
  }
}

const NOTHING = Buffer.alloc(0)

function withoutUsageEvents(bytes: Buffer): Uint8Array {
  if (!bytes.includes('"usage"')) return bytes
  const text = bytes.toString('latin1')
  let kept = ''
  let from = 0
  for (const { data, start, end } of readEvents(text)) {
    const chunk = data.includes('"usage"') ? parseObject(data) : undefined
    const choices = chunk?.['choices']
    if (!isObject(chunk?.['usage']) || !Array.isArray(choices) || choices.length > 0) continue
    kept += text.slice(from, start)
    from = end
  }
  return from === 0 ? bytes : Buffer.from(kept + text.slice(from), 'latin1')
}
