import { hash } from 'node:crypto'
import type { AiFormat } from '../../config/index.ts'
import { isGatewayError } from '../../errors/index.ts'
import { parseJson } from '../../http/index.ts'
import { member } from '../usage/index.ts'
import { canonicalJson } from './canonical-json.ts'

/** What a cache has to know of a model request's body. */
export interface RequestFacts {
  /** Hex; equal for bodies that mean the same, however they are written and in whatever form they want the answer. */
  readonly digest: string
  readonly model: string | undefined
  /** Whether the answer is wanted as events. */
  readonly streamed: boolean
  /** Whether the caller is to be told the usage: always but for streams of OpenAI's that did not ask. */
  readonly wantsUsage: boolean
  /** Sampling is off, or follows a seed. */
  readonly deterministic: boolean
  /** The request does more than to be answered: to answer it from a cache would leave something undone. */
  readonly hasEffects: boolean
}

const LIMITS = { maxDepth: 64, maxMembers: 100_000, uniqueKeys: true }

/** Formats in which `stream` chooses the form of the same answer. */
const STREAM_BY_BODY: ReadonlySet<AiFormat> = new Set<AiFormat>([
  'openai-chat',
  'openai-completions',
  'openai-responses',
  'anthropic-messages',
])
/** Formats whose streams tell the usage only when asked (llm-apis.md §1.1). */
const USAGE_BY_REQUEST: ReadonlySet<AiFormat> = new Set<AiFormat>([
  'openai-chat',
  'openai-completions',
])

/**
 * Reads a request's body for a cache: every member counts, known or not (F76), but for `stream` and `stream_options`.
 *
 * @returns `undefined` for what is not acceptable JSON: only the provider can say what it means.
 */
export function readRequestFacts(format: AiFormat, body: Buffer): RequestFacts | undefined {
  const request = parse(body)
  if (typeof request !== 'object' || request === null || Array.isArray(request)) return undefined
  const byBody = STREAM_BY_BODY.has(format)
  const stream = member(request, 'stream')
  const streamed = byBody && stream === true
  const counted = byBody ? withoutForm(request, streamed) : request
  if (counted === undefined) return undefined
  const canonical = canonicalJson(counted)
  return {
    // The body itself, where a number is not exact: it then stands for nothing but itself.
    digest: canonical === undefined ? `=${hash('sha256', body)}` : hash('sha256', canonical),
    model: textMember(request, 'model'),
    streamed,
    wantsUsage:
      !streamed ||
      !USAGE_BY_REQUEST.has(format) ||
      member(member(request, 'stream_options'), 'include_usage') === true,
    deterministic: isDeterministic(format, request),
    hasEffects: hasEffects(format, request),
  }
}

function parse(body: Buffer): unknown {
  try {
    return parseJson(body, LIMITS).value
  } catch (error) {
    if (isGatewayError(error)) return undefined
    throw error
  }
}

/** @returns `undefined` when `stream` is nothing that it can be. */
function withoutForm(request: object, streamed: boolean): object | undefined {
  const counted: Record<string, unknown> = Object.create(null)
  for (const [name, value] of Object.entries(request)) {
    if (name === 'stream') {
      if (typeof value !== 'boolean' && value !== null) return undefined
    } else if (name !== 'stream_options' || !isFormOnly(value, streamed)) counted[name] = value
  }
  return counted
}

/** Options that we know to change nothing but how the same answer is sent. */
function isFormOnly(options: unknown, streamed: boolean): boolean {
  if (options === null) return true
  if (!streamed || typeof options !== 'object') return false
  return Object.entries(options).every(
    ([name, value]) =>
      (name === 'include_usage' || name === 'include_obfuscation') && typeof value === 'boolean',
  )
}

function isDeterministic(format: AiFormat, request: object): boolean {
  if (format === 'openai-embeddings') return true
  const settings = format === 'gemini' ? member(request, 'generationConfig') : request
  const seed = member(settings, 'seed')
  return member(settings, 'temperature') === 0 || typeof seed === 'number'
}

/** Responses may go into a conversation, or on in the background (llm-apis.md §1.3). */
function hasEffects(format: AiFormat, request: object): boolean {
  if (format !== 'openai-responses') return false
  const conversation = member(request, 'conversation')
  return member(request, 'background') === true || (conversation ?? undefined) !== undefined
}

function textMember(request: object, name: string): string | undefined {
  const value = member(request, name)
  return typeof value === 'string' ? value : undefined
}
