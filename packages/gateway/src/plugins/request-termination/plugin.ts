import { definePlugin, type AnswerReply, type Exchange, type Plugin } from '@pratu/plugin-kit'
import { parseQuery } from '../../http/index.ts'
import { requestTerminationSchema, type RequestTerminationConfig } from './config.ts'
import { describeExchange } from './echo.ts'

const JSON_TYPE = 'application/json; charset=utf-8'

/** Kong's texts for statuses without a message of their own; any other has no body. */
const DEFAULT_MESSAGES: ReadonlyMap<number, string> = new Map([
  [401, 'Unauthorized'],
  [404, 'Not found'],
  [405, 'Method not allowed'],
  [500, 'An unexpected error occurred'],
  [502, 'Bad Gateway'],
  [503, 'Service unavailable'],
])

/** Answers in place of the service (kong.md §3.15). */
export const requestTermination = definePlugin<RequestTerminationConfig>({
  name: 'request-termination',
  priority: 2,
  schema: requestTerminationSchema,

  create({ status, message, contentType, body, echo, trigger }): Plugin {
    const shownMessage = message ?? DEFAULT_MESSAGES.get(status)
    const fixed = fixedAnswer()

    function fixedAnswer(): AnswerReply {
      if (body !== undefined) return answer(status, contentType ?? JSON_TYPE, body)
      if (shownMessage === undefined) {
        return { kind: 'answer', status, headers: {}, body: new Uint8Array(0) }
      }
      return answer(status, JSON_TYPE, JSON.stringify({ message: shownMessage }))
    }

    return {
      access(exchange) {
        if (trigger !== undefined && !isTriggered(exchange, trigger)) return undefined
        if (!echo) return fixed
        const shown = describeExchange(exchange, shownMessage)
        return shown instanceof Promise
          ? shown.then((late) => answer(status, JSON_TYPE, JSON.stringify(late)))
          : answer(status, JSON_TYPE, JSON.stringify(shown))
      },
    }
  },
})

function isTriggered({ request }: Exchange, trigger: string): boolean {
  return (
    request.headers.has(trigger.toLowerCase()) ||
    parseQuery(request.rawQuery).some(({ name }) => name === trigger)
  )
}

function answer(status: number, contentType: string, body: string): AnswerReply {
  return {
    kind: 'answer',
    status,
    headers: { 'Content-Type': contentType },
    body: Buffer.from(body),
  }
}
