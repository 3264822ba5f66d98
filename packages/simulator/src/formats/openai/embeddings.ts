import { hashText, drawUnit } from '../../text/random.ts'
import { countTokens } from '../../text/tokenizer.ts'
import type { CompleteAnswer } from '../answer.ts'
import type { AnswerContext } from '../wire-format.ts'
import { badParameter } from './errors.ts'
import { Fields, wrongType } from './fields.ts'

const DEFAULT_DIMENSIONS = 1536
const MAX_DIMENSIONS = 3072
const MAX_INPUTS = 2048

/** One text to embed: what names its vector, and its size in tokens. */
interface EmbeddingInput {
  readonly digest: number
  readonly tokens: number
}

function fromText(text: string): EmbeddingInput {
  if (text === '')
    throw badParameter('input', 'invalid_value', "Invalid 'input': an input must not be empty.")
  return { digest: hashText(text), tokens: countTokens(text) }
}

function fromTokens(tokens: readonly unknown[]): EmbeddingInput {
  if (tokens.length === 0)
    throw badParameter('input', 'invalid_value', "Invalid 'input': an input must not be empty.")
  for (const token of tokens) {
    if (typeof token !== 'number' || !Number.isInteger(token) || token < 0)
      throw wrongType('input', 'token numbers', token)
  }
  return { digest: hashText(tokens.join(',')), tokens: tokens.length }
}

function readInputs(input: unknown): readonly EmbeddingInput[] {
  if (input === undefined || input === null) {
    throw badParameter(
      'input',
      'missing_required_parameter',
      "Missing required parameter: 'input'.",
    )
  }
  if (typeof input === 'string') return [fromText(input)]
  if (!Array.isArray(input)) throw wrongType('input', 'a string or an array', input)
  const list: readonly unknown[] = input
  if (list.length === 0 || list.length > MAX_INPUTS) {
    throw badParameter(
      'input',
      'invalid_value',
      `Invalid 'input': 1 to ${MAX_INPUTS} inputs are allowed, got ${list.length}.`,
    )
  }
  if (typeof list[0] === 'number') return [fromTokens(list)]
  return list.map((one) => {
    if (typeof one === 'string') return fromText(one)
    if (Array.isArray(one)) return fromTokens(one)
    throw wrongType('input', 'strings or arrays of token numbers', one)
  })
}

/** A vector of length 1 that depends on the input and the seed alone. */
function vector(digest: number, dimensions: number): Float32Array {
  const values = new Float32Array(dimensions)
  let squares = 0
  for (let i = 0; i < dimensions; i += 1) {
    const value = drawUnit(digest, i) * 2 - 1
    values[i] = value
    squares += value * value
  }
  const scale = 1 / Math.sqrt(squares || 1)
  for (let i = 0; i < dimensions; i += 1) values[i] = (values[i] ?? 0) * scale
  return values
}

/** Little-endian float32, which is what clients decode (llm-apis.md §1.2). */
function toBase64(values: Float32Array): string {
  const bytes = Buffer.alloc(values.length * 4)
  for (const [index, value] of values.entries()) bytes.writeFloatLE(value, index * 4)
  return bytes.toString('base64')
}

/** Answers an embeddings request. @throws {ProblemError} */
export function answerEmbeddings(body: unknown, context: AnswerContext): CompleteAnswer {
  const fields = Fields.of(body)
  const model = fields.requiredString('model')
  const inputs = readInputs(fields.raw('input'))
  const dimensions = fields.integer('dimensions', 1, MAX_DIMENSIONS) ?? DEFAULT_DIMENSIONS
  const base64 = fields.choice('encoding_format', ['float', 'base64']) === 'base64'
  let promptTokens = 0
  const data = inputs.map(({ digest, tokens }, index) => {
    promptTokens += tokens
    const values = vector(digest ^ context.seed, dimensions)
    return { object: 'embedding', index, embedding: base64 ? toBase64(values) : [...values] }
  })
  const usage = embeddingUsage(promptTokens, context)
  return {
    kind: 'complete',
    status: 200,
    headers: [['content-type', 'application/json']],
    body: JSON.stringify({ object: 'list', data, model, usage }),
  }
}

function embeddingUsage(
  promptTokens: number,
  { usageFault }: AnswerContext,
): object | null | undefined {
  if (usageFault === 'missing') return undefined
  if (usageFault === 'null') return null
  if (usageFault === 'negative')
    return { prompt_tokens: -promptTokens, total_tokens: -promptTokens }
  if (usageFault === 'string') return { prompt_tokens: 'many', total_tokens: '' }
  if (usageFault === 'huge') return { prompt_tokens: 1e18, total_tokens: 1e18 }
  return { prompt_tokens: promptTokens, total_tokens: promptTokens }
}
