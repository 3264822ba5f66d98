import type { AiFormat } from '../../config/index.ts'
import { member } from '../usage/index.ts'
import { walkMembers, type MemberWalk } from './top-level-members.ts'

/** What a request says of how much the model may write, and how large its prompt is. */
export interface RequestFacts {
  readonly model: string | undefined
  readonly streamed: boolean
  /** Estimated from the bytes, rather too many than too few. */
  readonly inputTokens: number
  /** For one choice; `undefined` when the client sets no bound. */
  readonly maxOutputTokens: number | undefined
  /** How many answers are asked for, at least 1. */
  readonly choices: number
  /** Whether an OpenAI stream is to end with its usage. */
  readonly includeUsage: boolean
  readonly serviceTier: string | undefined
  /** Whether the prompt asks to be kept in the provider's cache. */
  readonly cacheControl: boolean
}

/** Text, code and JSON run at three bytes a token and more with today's tokenizers. */
const BYTES_PER_TOKEN = 3

/** What an image costs, or nearly so, whatever its size in bytes; recordings and documents grow with theirs. */
const TOKENS_PER_MEDIUM = 2000
const MEDIA_BYTES_PER_TOKEN = 400

/** More answers than any provider gives to one request. */
const MAX_CHOICES = 1000

/** Where each format bounds the answer, and where it asks for several (llm-apis.md §1). */
const BOUNDS: Readonly<
  Record<AiFormat, { readonly most: readonly string[]; readonly choices: readonly string[] }>
> = {
  'openai-chat': { most: ['max_completion_tokens', 'max_tokens'], choices: ['n'] },
  'openai-completions': { most: ['max_tokens'], choices: ['n', 'best_of'] },
  'openai-responses': { most: ['max_output_tokens'], choices: [] },
  'openai-embeddings': { most: [], choices: [] },
  'anthropic-messages': { most: ['max_tokens'], choices: [] },
  gemini: {
    most: ['maxOutputTokens', 'max_output_tokens'],
    choices: ['candidateCount', 'candidate_count'],
  },
}

/** Gemini's settings stand one level down. */
const NESTED_SETTINGS: ReadonlySet<string> = new Set(['generationConfig', 'generation_config'])
const CACHE_CONTROL = Buffer.from('"cache_control"')

/**
 * Reads a request in one pass over its bytes, without parsing its messages. Only members of the outermost object count;
 * of one that stands twice the larger value does, as providers differ in which one they take.
 */
export function readRequest(format: AiFormat, json: Buffer): RequestFacts {
  const bounds = BOUNDS[format]
  let model: string | undefined
  let streamed = false
  let most: number | undefined
  let choices = 1
  let includeUsage = false
  let serviceTier: string | undefined
  let prompts = 1

  const bound = (name: string, value: unknown): void => {
    if (!isCount(value)) return
    if (bounds.most.includes(name)) most = Math.max(most ?? 0, value)
    else if (bounds.choices.includes(name)) choices = Math.max(choices, value)
  }
  const visit = (key: string, start: number, end: number): void => {
    switch (key) {
      case 'model':
        model = text(valueOf(json, start, end)) ?? model
        return
      case 'stream':
        streamed = valueOf(json, start, end) === true
        return
      case 'stream_options':
        includeUsage = member(valueOf(json, start, end), 'include_usage') === true
        return
      case 'service_tier':
        serviceTier = text(valueOf(json, start, end))
        return
      case 'prompt':
        if (format === 'openai-completions') prompts = promptCount(valueOf(json, start, end))
        return
      default:
        if (bounds.most.includes(key) || bounds.choices.includes(key)) {
          bound(key, valueOf(json, start, end))
        } else if (format === 'gemini' && NESTED_SETTINGS.has(key)) {
          const settings = valueOf(json, start, end)
          for (const name of [...bounds.most, ...bounds.choices])
            bound(name, member(settings, name))
        }
    }
  }
  const walk = walkMembers(json, visit)
  return {
    model,
    streamed,
    inputTokens: promptTokensOf(json, walk),
    maxOutputTokens: most,
    choices: Math.min(MAX_CHOICES, choices * prompts),
    includeUsage,
    serviceTier,
    cacheControl: json.includes(CACHE_CONTROL),
  }
}

function promptTokensOf({ length }: Buffer, walk: MemberWalk | undefined): number {
  if (walk === undefined || walk.mediaParts === 0) return Math.ceil(length / BYTES_PER_TOKEN)
  const { mediaBytes, mediaParts } = walk
  const media = Math.max(
    mediaParts * TOKENS_PER_MEDIUM,
    Math.ceil(mediaBytes / MEDIA_BYTES_PER_TOKEN),
  )
  return Math.ceil((length - mediaBytes) / BYTES_PER_TOKEN) + media
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= 1e9
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

/** Legacy completions answer each prompt of a list; a list of numbers is one prompt. */
function promptCount(prompt: unknown): number {
  if (!Array.isArray(prompt) || typeof prompt[0] === 'number') return 1
  return Math.max(1, prompt.length)
}

function valueOf(json: Buffer, start: number, end: number): unknown {
  try {
    return JSON.parse(json.toString('utf8', start, end))
  } catch {
    return undefined
  }
}
