import { headerValue } from '../../wire/request-head.ts'
import type { HeaderPair } from '../../wire/request-head.ts'
import type { Answer } from '../answer.ts'
import type { AnswerContext, FormatRequest, WireFormat } from '../wire-format.ts'
import { answerChat } from './chat-answer.ts'
import { paddingFrame } from './chat-stream.ts'
import { parseChatRequest } from './chat-request.ts'
import { answerEmbeddings } from './embeddings.ts'
import { errorAnswer, errorFrame, ProblemError } from './errors.ts'
import { isObject } from './fields.ts'
import { listModels, readModel, unknownModel } from './models.ts'

/** Made up, and the same for everybody: the simulator limits nobody unless a fault says so. */
const RATE_LIMIT_FIELDS: readonly HeaderPair[] = [
  ['x-ratelimit-limit-requests', '10000'],
  ['x-ratelimit-limit-tokens', '2000000'],
  ['x-ratelimit-remaining-requests', '9999'],
  ['x-ratelimit-remaining-tokens', '1999000'],
  ['x-ratelimit-reset-requests', '6ms'],
  ['x-ratelimit-reset-tokens', '30ms'],
]
const MODELS = '/v1/models'

function requireKey(request: FormatRequest, context: AnswerContext): void {
  if (context.apiKeys.length === 0) return
  const given = headerValue(request.headers, 'authorization')
  const key = given === undefined ? undefined : /^bearer +(\S+)$/i.exec(given)?.[1]
  if (key !== undefined && context.apiKeys.includes(key)) return
  const message =
    key === undefined
      ? 'No API key was given. Send it in the Authorization header: Authorization: Bearer YOUR_KEY.'
      : 'The API key given is not one of the keys that this simulator accepts.'
  throw new ProblemError({
    status: 401,
    message,
    type: 'invalid_request_error',
    code: key === undefined ? null : 'invalid_api_key',
  })
}

function requireMethod(request: FormatRequest, method: string): void {
  if (request.method === method) return
  throw new ProblemError({
    status: 405,
    message: `Not allowed to ${request.method} on ${request.path} (use ${method}).`,
    type: 'invalid_request_error',
    code: 'method_not_supported',
  })
}

function requireJson(request: FormatRequest, context: AnswerContext): unknown {
  if (request.bodyProblem !== undefined) {
    throw new ProblemError({
      status: 400,
      message: request.bodyProblem,
      type: 'invalid_request_error',
      code: null,
    })
  }
  const model = isObject(request.json) ? request.json['model'] : undefined
  if (
    context.strictModels &&
    typeof model === 'string' &&
    model !== '' &&
    !context.models.includes(model)
  )
    throw unknownModel(model)
  return request.json
}

function route(request: FormatRequest, context: AnswerContext): Answer {
  requireKey(request, context)
  const { path } = request
  if (path === '/v1/chat/completions') {
    requireMethod(request, 'POST')
    return answerChat(parseChatRequest(requireJson(request, context)), context)
  }
  if (path === '/v1/embeddings') {
    requireMethod(request, 'POST')
    return answerEmbeddings(requireJson(request, context), context)
  }
  if (path === MODELS) {
    requireMethod(request, 'GET')
    return listModels(context)
  }
  if (path.startsWith(`${MODELS}/`) && !path.slice(MODELS.length + 1).includes('/')) {
    requireMethod(request, 'GET')
    return readModel(path.slice(MODELS.length + 1), context)
  }
  throw new ProblemError({
    status: 404,
    message: `Invalid URL (${request.method} ${path})`,
    type: 'invalid_request_error',
    code: null,
  })
}

/** OpenAI's Chat Completions, Embeddings and Models (llm-apis.md §1.1, §1.2), under `/v1` exactly. */
export const openai: WireFormat = {
  name: 'openai',
  owns: (path) => path.startsWith('/v1/'),
  model(request) {
    const model = isObject(request.json) ? request.json['model'] : undefined
    return typeof model === 'string' ? model : undefined
  },
  answer(request, context) {
    try {
      return route(request, context)
    } catch (error) {
      if (error instanceof ProblemError) return errorAnswer(error.problem)
      throw error
    }
  },
  error: errorAnswer,
  fields: ({ index, seed, latencyMs }) => [
    ['x-request-id', `req_sim${seed.toString(36)}x${index.toString(36)}`],
    ['openai-processing-ms', Math.round(latencyMs).toString()],
    ['openai-version', '2020-10-01'],
    ...RATE_LIMIT_FIELDS,
  ],
  errorFrame,
  paddingFrame,
}
