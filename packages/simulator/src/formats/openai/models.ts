import type { CompleteAnswer } from '../answer.ts'
import type { AnswerContext } from '../wire-format.ts'
import { ProblemError } from './errors.ts'

const CREATED_SECONDS = 1_750_000_000

function describe(id: string): object {
  return { id, object: 'model', created: CREATED_SECONDS, owned_by: 'simulator' }
}

function json(body: object): CompleteAnswer {
  return {
    kind: 'complete',
    status: 200,
    headers: [['content-type', 'application/json']],
    body: JSON.stringify(body),
  }
}

export function unknownModel(model: string): ProblemError {
  return new ProblemError({
    status: 404,
    message: `The model '${model}' does not exist or you do not have access to it.`,
    type: 'invalid_request_error',
    code: 'model_not_found',
    param: null,
  })
}

export function listModels(context: AnswerContext): CompleteAnswer {
  return json({ object: 'list', data: context.models.map(describe) })
}

/** @param encoded the last part of the path; clients percent-encode ids that contain a slash. */
export function readModel(encoded: string, context: AnswerContext): CompleteAnswer {
  let id = encoded
  try {
    id = decodeURIComponent(encoded)
  } catch (error) {
    if (!(error instanceof URIError)) throw error
  }
  if (!context.models.includes(id)) throw unknownModel(id)
  return json(describe(id))
}
