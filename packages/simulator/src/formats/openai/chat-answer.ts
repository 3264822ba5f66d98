import type { HeaderPair } from '../../wire/request-head.ts'
import type { Answer } from '../answer.ts'
import type { AnswerContext } from '../wire-format.ts'
import type { ChatRequest } from './chat-request.ts'
import type { ChatIdentity } from './chat-identity.ts'
import { planChoices } from './chat-plan.ts'
import type { ChoicePlan, ToolCall } from './chat-plan.ts'
import { chatFrames } from './chat-stream.ts'
import { chatLogprobs } from './logprobs.ts'
import { chatUsage } from './usage.ts'

/** Times in answers are counted, not measured, so that runs with one seed are equal byte for byte. */
const CREATED_BASE_SECONDS = 1_760_000_000

const JSON_HEADERS: readonly HeaderPair[] = [['content-type', 'application/json']]
const STREAM_HEADERS: readonly HeaderPair[] = [
  ['content-type', 'text/event-stream; charset=utf-8'],
  ['cache-control', 'no-cache'],
]

function wholeToolCall(call: ToolCall): object {
  const text = call.tokens.join('')
  if (call.kind === 'custom')
    return { id: call.id, type: 'custom', custom: { name: call.name, input: text } }
  return { id: call.id, type: 'function', function: { name: call.name, arguments: text } }
}

function wholeChoice(plan: ChoicePlan, index: number, request: ChatRequest): object {
  const called = plan.toolCalls.length > 0
  return {
    index,
    message: {
      role: 'assistant',
      content: called ? null : plan.tokens.join(''),
      refusal: null,
      annotations: [],
      ...(called ? { tool_calls: plan.toolCalls.map(wholeToolCall) } : {}),
    },
    logprobs:
      request.topLogprobs === undefined
        ? null
        : chatLogprobs(plan.tokens, request.topLogprobs, request.digest + index),
    finish_reason: plan.finishReason,
  }
}

/** Answers a chat completion request, as one JSON object or as a stream of events. */
export function answerChat(request: ChatRequest, context: AnswerContext): Answer {
  const plans = planChoices(request, context)
  let completionTokens = 0
  for (const plan of plans) completionTokens += plan.completionTokens
  const identity: ChatIdentity = {
    id: `chatcmpl-sim${context.seed.toString(36)}x${context.index.toString(36)}`,
    created: CREATED_BASE_SECONDS + context.index,
    model: request.model,
    systemFingerprint: 'fp_simulator',
  }
  const usage = chatUsage(request.promptTokens, completionTokens, context.usageFault)
  if (request.stream) {
    const frames = chatFrames(request, plans, identity, usage, context.usageFault)
    return { kind: 'stream', status: 200, headers: STREAM_HEADERS, frames }
  }
  const body = JSON.stringify({
    id: identity.id,
    object: 'chat.completion',
    created: identity.created,
    model: identity.model,
    choices: plans.map((plan, index) => wholeChoice(plan, index, request)),
    usage,
    service_tier: request.serviceTier,
    system_fingerprint: identity.systemFingerprint,
  })
  return { kind: 'complete', status: 200, headers: JSON_HEADERS, body }
}
