import { countTokens } from '../../text/tokenizer.ts'
import { hashText } from '../../text/random.ts'
import { badParameter } from './errors.ts'
import { elementFields, Fields, isObject, wrongType } from './fields.ts'
import type { JsonObject } from './fields.ts'

export interface Tool {
  readonly kind: 'function' | 'custom'
  readonly name: string
  /** JSON schema of a function's arguments. */
  readonly parameters: JsonObject | undefined
}

/** `names` restricts which tools may be called; `undefined` = all. */
export interface ToolChoice {
  readonly mode: 'none' | 'auto' | 'required' | 'named'
  readonly names: readonly string[] | undefined
}

/** A validated chat completion request, reduced to what an answer depends on. */
export interface ChatRequest {
  readonly model: string
  /** Text of the last message that a user wrote. */
  readonly prompt: string
  /** Whether the conversation waits for the assistant after a tool's result. */
  readonly afterTool: boolean
  /** Names the answer: equal for equal conversations. */
  readonly digest: number
  readonly promptTokens: number
  readonly stream: boolean
  readonly includeUsage: boolean
  readonly includeObfuscation: boolean
  readonly n: number
  readonly maxTokens: number | undefined
  readonly stop: readonly string[]
  readonly tools: readonly Tool[]
  readonly toolChoice: ToolChoice
  readonly parallelToolCalls: boolean
  /** The schema that the text must fit, `{}` for any JSON object; `undefined` for prose. */
  readonly jsonSchema: JsonObject | undefined
  /** How many alternatives to list per token; `undefined` without log probabilities. */
  readonly topLogprobs: number | undefined
  readonly serviceTier: string
}

const ROLES = ['system', 'developer', 'user', 'assistant', 'tool', 'function'] as const
const PARTS = ['text', 'image_url', 'input_audio', 'file', 'refusal'] as const
/** Tokens that a message costs beside its text, and that the answer's opening costs (the usual ChatML sums). */
const MESSAGE_TOKENS = 3
const OPENING_TOKENS = 3
const MEDIA_TOKENS = 85

interface Conversation {
  prompt: string
  lastRole: string
  digest: number
  tokens: number
}

function readParts(parts: readonly unknown[], path: string): { text: string; media: number } {
  let text = ''
  let media = 0
  for (const [index, element] of parts.entries()) {
    const part = elementFields(element, `${path}[${index}]`)
    const type = part.choice('type', PARTS)
    if (type === undefined)
      throw badParameter(
        part.path('type'),
        'missing_required_parameter',
        `Missing required parameter: '${part.path('type')}'.`,
      )
    if (type === 'text') text += part.string('text') ?? ''
    else if (type === 'refusal') text += part.string('refusal') ?? ''
    else media += 1
  }
  return { text, media }
}

function readMessage(element: unknown, index: number, conversation: Conversation): void {
  const path = `messages[${index}]`
  const message = elementFields(element, path)
  const role = message.choice('role', ROLES)
  if (role === undefined)
    throw badParameter(
      `${path}.role`,
      'missing_required_parameter',
      `Missing required parameter: '${path}.role'.`,
    )
  const content = message.raw('content')
  let text = ''
  let media = 0
  if (typeof content === 'string') text = content
  else if (Array.isArray(content)) ({ text, media } = readParts(content, `${path}.content`))
  else if (content !== undefined && content !== null)
    throw wrongType(`${path}.content`, 'a string or an array of parts', content)
  else if (role !== 'assistant') {
    throw badParameter(
      `${path}.content`,
      'missing_required_parameter',
      `Missing required parameter: '${path}.content'.`,
    )
  }
  if (role === 'tool') message.requiredString('tool_call_id')
  const calls = message.array('tool_calls')
  const callText = calls === undefined ? '' : JSON.stringify(calls)
  conversation.tokens +=
    MESSAGE_TOKENS + countTokens(text) + countTokens(callText) + media * MEDIA_TOKENS
  conversation.digest = hashText(callText, hashText(text, hashText(role, conversation.digest)))
  conversation.lastRole = role
  if (role === 'user') conversation.prompt = text
}

function readMessages(fields: Fields, digest: number): Conversation {
  const messages = fields.array('messages')
  if (messages === undefined)
    throw badParameter(
      'messages',
      'missing_required_parameter',
      "Missing required parameter: 'messages'.",
    )
  if (messages.length === 0) {
    throw badParameter(
      'messages',
      'empty_array',
      "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.",
    )
  }
  const conversation: Conversation = { prompt: '', lastRole: '', digest, tokens: OPENING_TOKENS }
  for (const [index, element] of messages.entries()) readMessage(element, index, conversation)
  return conversation
}

function readStop(fields: Fields): readonly string[] {
  const stop = fields.raw('stop')
  if (stop === undefined || stop === null) return []
  const list: readonly unknown[] = Array.isArray(stop) ? stop : [stop]
  if (list.length > 4)
    throw badParameter(
      'stop',
      'array_above_max_length',
      "Invalid 'stop': array too long. Expected at most 4 strings.",
    )
  return list.map((one) => {
    if (typeof one !== 'string') throw wrongType('stop', 'a string or an array of strings', one)
    if (one === '')
      throw badParameter(
        'stop',
        'empty_string',
        "Invalid 'stop': a stop sequence must not be empty.",
      )
    return one
  })
}

function readTools(fields: Fields): readonly Tool[] {
  return (fields.array('tools') ?? []).map((element, index) => {
    const tool = elementFields(element, `tools[${index}]`)
    const kind = tool.choice('type', ['function', 'custom'])
    if (kind === undefined)
      throw badParameter(
        tool.path('type'),
        'missing_required_parameter',
        `Missing required parameter: '${tool.path('type')}'.`,
      )
    const inner = tool.object(kind)
    if (inner === undefined)
      throw badParameter(
        tool.path(kind),
        'missing_required_parameter',
        `Missing required parameter: '${tool.path(kind)}'.`,
      )
    inner.object('parameters')
    const parameters = inner.raw('parameters')
    return {
      kind,
      name: inner.requiredString('name'),
      parameters: isObject(parameters) ? parameters : undefined,
    }
  })
}

function named(fields: Fields, path: string, tools: readonly Tool[]): string {
  const kind = fields.choice('type', ['function', 'custom'])
  const name = kind === undefined ? undefined : fields.object(kind)?.requiredString('name')
  if (name === undefined || !tools.some((tool) => tool.name === name)) {
    throw badParameter(
      path,
      'invalid_value',
      `Invalid value for '${path}': it names no tool of 'tools'.`,
    )
  }
  return name
}

function readToolChoice(fields: Fields, tools: readonly Tool[]): ToolChoice {
  const choice = fields.raw('tool_choice')
  if (choice === undefined || choice === null)
    return { mode: tools.length === 0 ? 'none' : 'auto', names: undefined }
  if (tools.length === 0)
    throw badParameter(
      'tool_choice',
      null,
      "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified.",
    )
  if (typeof choice === 'string') {
    return {
      mode: fields.choice('tool_choice', ['none', 'auto', 'required']) ?? 'auto',
      names: undefined,
    }
  }
  const object = elementFields(choice, 'tool_choice')
  if (object.raw('type') !== 'allowed_tools')
    return { mode: 'named', names: [named(object, 'tool_choice', tools)] }
  const allowed = object.object('allowed_tools')
  const names = (allowed?.array('tools') ?? []).map((element, index) => {
    const path = `tool_choice.allowed_tools.tools[${index}]`
    return named(elementFields(element, path), path, tools)
  })
  return { mode: allowed?.choice('mode', ['auto', 'required']) ?? 'auto', names }
}

function readJsonSchema(fields: Fields): JsonObject | undefined {
  const format = fields.object('response_format')
  const type = format?.choice('type', ['text', 'json_object', 'json_schema'])
  if (type === undefined || type === 'text') return undefined
  if (type === 'json_object') return {}
  const wrapper = format?.object('json_schema')
  if (wrapper === undefined) {
    throw badParameter(
      'response_format.json_schema',
      'missing_required_parameter',
      "Missing required parameter: 'response_format.json_schema'.",
    )
  }
  wrapper.requiredString('name')
  const schema = wrapper.raw('schema')
  return isObject(schema) ? schema : {}
}

function readTopLogprobs(fields: Fields): number | undefined {
  const top = fields.integer('top_logprobs', 0, 20)
  const wanted = fields.boolean('logprobs') === true
  if (top !== undefined && !wanted)
    throw badParameter('top_logprobs', null, "'logprobs' must be true to use 'top_logprobs'.")
  return wanted ? (top ?? 0) : undefined
}

/**
 * @param body parsed JSON.
 * @throws {ProblemError} a 400 in the provider's words for everything a provider would refuse.
 */
export function parseChatRequest(body: unknown): ChatRequest {
  const fields = Fields.of(body)
  const model = fields.requiredString('model')
  const stream = fields.boolean('stream') ?? false
  const options = fields.object('stream_options')
  if (options !== undefined && !stream) {
    throw badParameter(
      'stream_options',
      null,
      "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
    )
  }
  fields.number('temperature', 0, 2)
  fields.number('top_p', 0, 1)
  fields.number('frequency_penalty', -2, 2)
  fields.number('presence_penalty', -2, 2)
  const maxTokens = fields.integer('max_tokens', 1)
  const conversation = readMessages(
    fields,
    hashText(model, fields.integer('seed', Number.MIN_SAFE_INTEGER) ?? 0),
  )
  const tools = readTools(fields)
  return {
    model,
    prompt: conversation.prompt,
    afterTool: conversation.lastRole === 'tool',
    digest: conversation.digest,
    promptTokens:
      conversation.tokens +
      (tools.length === 0 ? 0 : countTokens(JSON.stringify(fields.raw('tools')))),
    stream,
    includeUsage: options?.boolean('include_usage') ?? false,
    includeObfuscation: options?.boolean('include_obfuscation') ?? false,
    n: fields.integer('n', 1, 128) ?? 1,
    maxTokens: fields.integer('max_completion_tokens', 1) ?? maxTokens,
    stop: readStop(fields),
    tools,
    toolChoice: readToolChoice(fields, tools),
    parallelToolCalls: fields.boolean('parallel_tool_calls') ?? true,
    jsonSchema: readJsonSchema(fields),
    topLogprobs: readTopLogprobs(fields),
    serviceTier: fields.string('service_tier') ?? 'default',
  }
}
