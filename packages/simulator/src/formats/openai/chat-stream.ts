import { draw } from '../../text/random.ts'
import type { Frame } from '../answer.ts'
import type { UsageFault } from '../wire-format.ts'
import type { ChatIdentity } from './chat-identity.ts'
import type { ChoicePlan, ToolCall } from './chat-plan.ts'
import type { ChatRequest } from './chat-request.ts'
import { chatLogprobs } from './logprobs.ts'

const DONE: Frame = { kind: 'terminal', text: 'data: [DONE]\n\n' }

/** One choice's deltas in order: pieces of text, or of tool calls one after another. */
function* choiceDeltas(plan: ChoicePlan): Generator<string, void> {
  for (const token of plan.tokens) yield `{"content":${JSON.stringify(token)}}`
  for (const [index, call] of plan.toolCalls.entries()) {
    yield `{"tool_calls":[${JSON.stringify({ index, id: call.id, type: call.kind, [call.kind]: opening(call) })}]}`
    const member = call.kind === 'custom' ? 'input' : 'arguments'
    for (const token of call.tokens) {
      yield `{"tool_calls":[{"index":${index},"${call.kind}":{"${member}":${JSON.stringify(token)}}}]}`
    }
  }
}

function opening(call: ToolCall): object {
  return call.kind === 'custom'
    ? { name: call.name, input: '' }
    : { name: call.name, arguments: '' }
}

/** Writes the chunks of one stream; members that never change are serialised once. */
class ChunkWriter {
  readonly #request: ChatRequest
  readonly #head: string
  readonly #tail: string
  #sent = 0

  constructor(request: ChatRequest, identity: ChatIdentity) {
    const { id, created, model, systemFingerprint } = identity
    const shared = {
      id,
      object: 'chat.completion.chunk',
      created,
      model,
      service_tier: request.serviceTier,
      system_fingerprint: systemFingerprint,
    }
    this.#request = request
    this.#head = `data: ${JSON.stringify(shared).slice(0, -1)},"choices":[`
    this.#tail = request.includeUsage ? ',"usage":null' : ''
  }

  delta(choice: number, delta: string, finishReason: string | null, logprobs: string): string {
    const reason = finishReason === null ? 'null' : `"${finishReason}"`
    return `${this.#head}{"index":${choice},"delta":${delta},"logprobs":${logprobs},"finish_reason":${reason}}]${this.#tail}${this.#padding()}}\n\n`
  }

  usage(usage: object | null): string {
    return `${this.#head}],"usage":${JSON.stringify(usage)}}\n\n`
  }

  #padding(): string {
    if (!this.#request.includeObfuscation) return ''
    this.#sent += 1
    const value = draw(this.#request.digest, this.#sent)
    return `,"obfuscation":"${value.toString(36).slice(0, 1 + (value % 6))}"`
  }
}

/**
 * The events of a streamed chat completion: for each choice a role, its deltas (one token each, choices taking turns),
 * a finish reason; then usage when asked for; then the terminal event.
 *
 * @param usage `undefined` to leave the usage event out although it was asked for.
 */
export function* chatFrames(
  request: ChatRequest,
  plans: readonly ChoicePlan[],
  identity: ChatIdentity,
  usage: object | null | undefined,
  fault: UsageFault | undefined,
): Generator<Frame, void> {
  const writer = new ChunkWriter(request, identity)
  for (const [choice, plan] of plans.entries()) {
    const content = plan.toolCalls.length > 0 ? 'null' : '""'
    yield {
      kind: 'opening',
      text: writer.delta(
        choice,
        `{"role":"assistant","content":${content},"refusal":null}`,
        null,
        'null',
      ),
    }
  }
  const open = new Map(
    plans.map((plan, choice) => [choice, { plan, deltas: choiceDeltas(plan), sent: 0 }]),
  )
  while (open.size > 0) {
    for (const [choice, turn] of open) {
      const delta = turn.deltas.next()
      if (delta.done === true) {
        open.delete(choice)
        yield { kind: 'closing', text: writer.delta(choice, '{}', turn.plan.finishReason, 'null') }
        continue
      }
      const token = turn.plan.tokens[turn.sent]
      const logprobs =
        request.topLogprobs === undefined || token === undefined
          ? 'null'
          : JSON.stringify(
              chatLogprobs([token], request.topLogprobs, request.digest + choice, turn.sent),
            )
      turn.sent += 1
      yield { kind: 'token', text: writer.delta(choice, delta.value, null, logprobs) }
    }
  }
  const wantsUsage = request.includeUsage && usage !== undefined
  if (wantsUsage && fault !== 'after-done') yield { kind: 'usage', text: writer.usage(usage) }
  yield DONE
  if (wantsUsage && fault === 'after-done') yield { kind: 'usage', text: writer.usage(usage) }
}

/** An event whose whole length is about `bytes`. */
export function paddingFrame(bytes: number): Frame {
  const text = 'a'.repeat(Math.max(1, bytes - 100))
  return {
    kind: 'token',
    text: `data: {"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"${text}"}}]}\n\n`,
  }
}
