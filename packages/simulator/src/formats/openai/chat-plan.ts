import { readDirectives } from '../../text/directives.ts'
import { compose, limitTokens } from '../../text/compose.ts'
import { draw } from '../../text/random.ts'
import { SchemaSample } from '../../text/schema-sample.ts'
import { countTokens, splitTokens } from '../../text/tokenizer.ts'
import type { AnswerContext } from '../wire-format.ts'
import type { ChatRequest, Tool } from './chat-request.ts'

export interface ToolCall {
  readonly id: string
  readonly kind: Tool['kind']
  readonly name: string
  /** The arguments (or, for a custom tool, the input) in tokens. */
  readonly tokens: readonly string[]
}

/** What one choice says, before it is put into bytes. */
export interface ChoicePlan {
  readonly tokens: readonly string[]
  readonly toolCalls: readonly ToolCall[]
  readonly finishReason: 'stop' | 'length' | 'tool_calls'
  readonly completionTokens: number
}

const ASKS_FOR_TOOL = /\b(?:call|use|invoke)\b.*\btools?\b/i

function wantedTools(request: ChatRequest): readonly Tool[] {
  const { mode, names } = request.toolChoice
  if (mode === 'none') return []
  const allowed =
    names === undefined ? request.tools : request.tools.filter((tool) => names.includes(tool.name))
  const asked = allowed.filter((tool) => request.prompt.includes(tool.name))
  if (mode === 'named') return allowed
  if (mode === 'required') return asked.length > 0 ? asked : allowed.slice(0, 1)
  // After a tool's result the model talks again; otherwise it would call the tool for ever.
  if (request.afterTool) return []
  if (asked.length > 0) return asked
  return ASKS_FOR_TOOL.test(request.prompt) ? allowed.slice(0, 1) : []
}

function toolInput(tool: Tool, seed: number, nonce: string | undefined): string {
  if (tool.kind === 'custom') return nonce === undefined ? 'run' : `nonce:${nonce}`
  return JSON.stringify(
    new SchemaSample(tool.parameters ?? { type: 'object' }, seed, nonce).write(),
  )
}

function planToolCalls(
  request: ChatRequest,
  tools: readonly Tool[],
  seed: number,
  context: AnswerContext,
): ChoicePlan {
  const nonce = context.nonce ?? readDirectives(request.prompt).nonce
  const chosen = request.parallelToolCalls ? tools : tools.slice(0, 1)
  let completionTokens = 0
  const toolCalls = chosen.map((tool, index): ToolCall => {
    const tokens = splitTokens(toolInput(tool, seed + index, nonce))
    completionTokens += countTokens(tool.name) + tokens.length
    const id = draw(seed ^ context.index, index)
      .toString(16)
      .padStart(8, '0')
    return { id: `call_${id}${context.index}`, kind: tool.kind, name: tool.name, tokens }
  })
  // A forced tool ends with `stop`, although it was called: clients must not key on the reason.
  const finishReason = request.toolChoice.mode === 'named' ? 'stop' : 'tool_calls'
  return { tokens: [], toolCalls, finishReason, completionTokens }
}

function planJson(
  request: ChatRequest,
  schema: Readonly<Record<string, unknown>>,
  seed: number,
  context: AnswerContext,
): ChoicePlan {
  const nonce = context.nonce ?? readDirectives(request.prompt).nonce
  const free = Object.keys(schema).length === 0
  const value: unknown = free
    ? {
        ...(nonce === undefined ? {} : { nonce }),
        answer: compose({
          ...textRequest(request, seed, context),
          nonce: undefined,
          stop: [],
          maxTokens: undefined,
        }).tokens.join(''),
      }
    : new SchemaSample(schema, seed, nonce).write()
  return fromTokens(
    limitTokens(splitTokens(JSON.stringify(value)), request.maxTokens, request.stop),
  )
}

function textRequest(
  request: ChatRequest,
  seed: number,
  context: AnswerContext,
): Parameters<typeof compose>[0] {
  return {
    seed,
    prompt: request.prompt,
    nonce: context.nonce,
    range: context.completionTokens,
    maxTokens: request.maxTokens,
    stop: request.stop,
  }
}

function fromTokens({ tokens, reason }: ReturnType<typeof compose>): ChoicePlan {
  return { tokens, toolCalls: [], finishReason: reason, completionTokens: tokens.length }
}

/** Decides what every choice of the answer says; equal requests and seeds give equal plans. */
export function planChoices(request: ChatRequest, context: AnswerContext): readonly ChoicePlan[] {
  const tools = request.tools.length === 0 ? [] : wantedTools(request)
  const plans: ChoicePlan[] = []
  for (let choice = 0; choice < request.n; choice += 1) {
    const seed = (request.digest ^ Math.imul(context.seed + choice + 1, 0x9e3779b1)) >>> 0
    if (tools.length > 0) plans.push(planToolCalls(request, tools, seed, context))
    else if (request.jsonSchema !== undefined)
      plans.push(planJson(request, request.jsonSchema, seed, context))
    else plans.push(fromTokens(compose(textRequest(request, seed, context))))
  }
  return plans
}
