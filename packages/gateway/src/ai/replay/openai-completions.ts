import { pieces, writeEvent } from './events.ts'
import { draftOf, indexOf, objectsIn, parseObject, type Draft } from './json-object.ts'
import { dropUsageEvent } from './openai-chat.ts'
import type { AnswerTwin } from './twin.ts'

const DONE = '[DONE]'

/** Legacy completions (llm-apis.md §1.2): chunks are answers with a piece of the text each. */
export const completionsTwin: AnswerTwin = {
  assemble(events) {
    const answer = draftOf()
    const choices = new Map<number, Draft>()
    let done = false
    for (const { data } of events) {
      if (data === DONE) {
        done = true
        continue
      }
      const chunk = parseObject(data)
      if (chunk === undefined || chunk['error']) return undefined
      const { choices: parts, usage, ...rest } = chunk
      Object.assign(answer, rest, usage === undefined || usage === null ? {} : { usage })
      for (const part of objectsIn(parts)) {
        // Log probabilities of pieces are not put together.
        if (part['logprobs']) return undefined
        const index = indexOf(part['index'], 0)
        const before = choices.get(index)
        const text = `${textIn(before)}${textIn(part)}`
        const finish = part['finish_reason'] ?? before?.['finish_reason'] ?? null
        choices.set(index, { ...before, ...part, text, finish_reason: finish })
      }
    }
    const all = [...choices.values()].toSorted(
      (a, b) => indexOf(a['index'], 0) - indexOf(b['index'], 0),
    )
    if (!done || all.length === 0 || all.some((choice) => !choice['finish_reason']))
      return undefined
    const { obfuscation: _padding, ...kept } = answer
    return { ...kept, object: 'text_completion', choices: all }
  },

  narrate(answer, withUsage) {
    const { choices, usage, ...rest } = answer
    const extra = withUsage ? { usage: null } : {}
    let text = ''
    for (const choice of objectsIn(choices)) {
      if (choice['logprobs']) return undefined
      for (const piece of pieces(textIn(choice))) {
        const part = { ...choice, text: piece, finish_reason: null }
        text += writeEvent({ ...rest, choices: [part], ...extra })
      }
      text += writeEvent({ ...rest, choices: [{ ...choice, text: '' }], ...extra })
    }
    if (withUsage) text += writeEvent({ ...rest, choices: [], usage: usage ?? null })
    return `${text}data: ${DONE}\n\n`
  },

  isComplete(answer) {
    const choices = objectsIn(answer['choices'])
    return (
      !answer['error'] &&
      choices.length > 0 &&
      choices.every(
        (choice) => typeof choice['text'] === 'string' && Boolean(choice['finish_reason']),
      )
    )
  },

  withoutUsage: dropUsageEvent,
}

function textIn(choice: Readonly<Record<string, unknown>> | undefined): string {
  const text = choice?.['text']
  return typeof text === 'string' ? text : ''
}
