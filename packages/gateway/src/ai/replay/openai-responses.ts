import { pieces, writeEvent } from './events.ts'
import { isObject, objectsIn, parseObject, textOf, type JsonObject } from './json-object.ts'
import type { AnswerTwin } from './twin.ts'

const TERMINAL = new Set(['response.completed', 'response.incomplete'])

/** OpenAI's responses (llm-apis.md §1.3): the terminal event has the whole answer in it. */
export const responsesTwin: AnswerTwin = {
  assemble(events) {
    let answer: JsonObject | undefined
    for (const { data } of events) {
      const event = parseObject(data)
      if (event === undefined || event['type'] === 'error' || event['type'] === 'response.failed') {
        return undefined
      }
      if (TERMINAL.has(String(event['type'])) && isObject(event['response']))
        answer = event['response']
    }
    return answer
  },

  narrate(answer) {
    const narration = new Narration()
    const begun = { ...answer, status: 'in_progress', output: [], usage: null }
    narration.tell({ type: 'response.created', response: begun })
    narration.tell({ type: 'response.in_progress', response: begun })
    for (const [place, item] of objectsIn(answer['output']).entries()) {
      if (!narrateItem(narration, place, item)) return undefined
    }
    const terminal =
      answer['status'] === 'incomplete' ? 'response.incomplete' : 'response.completed'
    narration.tell({ type: terminal, response: answer })
    return narration.text
  },

  isComplete: (answer) =>
    !answer['error'] &&
    Array.isArray(answer['output']) &&
    (answer['status'] === 'completed' || answer['status'] === 'incomplete'),
}

class Narration {
  text = ''
  #told = 0

  tell(event: JsonObject & { readonly type: string }): void {
    this.text += writeEvent({ ...event, sequence_number: this.#told++ }, event.type)
  }
}

/** @returns `false` for parts that a stream tells in a way that is not known here. */
function narrateItem(narration: Narration, place: number, item: JsonObject): boolean {
  const where = { output_index: place, item_id: item['id'] }
  const added = (begun: JsonObject): void =>
    narration.tell({ type: 'response.output_item.added', output_index: place, item: begun })
  switch (item['type']) {
    case 'message':
      added({ ...item, status: 'in_progress', content: [] })
      for (const [index, part] of objectsIn(item['content']).entries()) {
        if (!narratePart(narration, { ...where, content_index: index }, part)) return false
      }
      break
    case 'function_call': {
      const json = textOf(item['arguments'])
      added({ ...item, status: 'in_progress', arguments: '' })
      for (const delta of pieces(json)) {
        narration.tell({ type: 'response.function_call_arguments.delta', ...where, delta })
      }
      narration.tell({
        type: 'response.function_call_arguments.done',
        ...where,
        name: item['name'],
        arguments: json,
      })
      break
    }
    case 'reasoning':
      added({ ...item, summary: [] })
      for (const [index, part] of objectsIn(item['summary']).entries()) {
        narrateSummary(narration, { ...where, summary_index: index }, part)
      }
      break
    default:
      return false
  }
  narration.tell({ type: 'response.output_item.done', output_index: place, item })
  return true
}

function narratePart(narration: Narration, where: JsonObject, part: JsonObject): boolean {
  const [kind, name] = part['type'] === 'refusal' ? ['refusal', 'refusal'] : ['output_text', 'text']
  const text = part[name]
  if (part['type'] !== kind || typeof text !== 'string') return false
  const logprobs = kind === 'output_text' ? { logprobs: part['logprobs'] ?? [] } : {}
  const begun = { ...part, [name]: '', ...(kind === 'output_text' ? { annotations: [] } : {}) }
  narration.tell({ type: 'response.content_part.added', ...where, part: begun })
  for (const delta of pieces(text)) {
    const none = kind === 'output_text' ? { logprobs: [] } : {}
    narration.tell({ type: `response.${kind}.delta`, ...where, delta, ...none })
  }
  for (const [index, annotation] of objectsIn(part['annotations']).entries()) {
    const at = { ...where, annotation_index: index, annotation }
    narration.tell({ type: 'response.output_text.annotation.added', ...at })
  }
  narration.tell({ type: `response.${kind}.done`, ...where, [name]: text, ...logprobs })
  narration.tell({ type: 'response.content_part.done', ...where, part })
  return true
}

function narrateSummary(narration: Narration, where: JsonObject, part: JsonObject): void {
  const text = textOf(part['text'])
  narration.tell({
    type: 'response.reasoning_summary_part.added',
    ...where,
    part: { ...part, text: '' },
  })
  for (const delta of pieces(text)) {
    narration.tell({ type: 'response.reasoning_summary_text.delta', ...where, delta })
  }
  narration.tell({ type: 'response.reasoning_summary_text.done', ...where, text })
  narration.tell({ type: 'response.reasoning_summary_part.done', ...where, part })
}
