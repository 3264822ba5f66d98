import { readDirectives } from './directives.ts'
import { writeTokens } from './prose.ts'
import { draw } from './random.ts'
import { splitTokens } from './tokenizer.ts'

export interface ComposeRequest {
  /** Names the text: the same seed gives the same one. */
  readonly seed: number
  /** The last user message; its directives steer the text. */
  readonly prompt: string
  /** A nonce given beside the prompt; wins over the prompt's. */
  readonly nonce: string | undefined
  /** Length when the prompt does not say. */
  readonly range: { readonly min: number; readonly max: number }
  readonly maxTokens: number | undefined
  readonly stop: readonly string[]
}

export interface Composition {
  /** Joined they are the text; their number is its token count. */
  readonly tokens: readonly string[]
  /** `length` when `maxTokens` cut the text. */
  readonly reason: 'stop' | 'length'
}

function draft(request: ComposeRequest): string[] {
  const directives = readDirectives(request.prompt)
  if (directives.echo !== undefined) return splitTokens(directives.echo)
  const { min, max } = request.range
  const count = directives.tokens ?? min + (draw(request.seed, 0x7fffffff) % (max - min + 1))
  const nonce = request.nonce ?? directives.nonce
  if (nonce === undefined) return writeTokens(request.seed, count)
  const head = splitTokens(`nonce:${nonce}`)
  const rest = writeTokens(request.seed, count - head.length)
  if (rest[0] !== undefined && rest[0] !== '.') rest[0] = ` ${rest[0]}`
  return head.concat(rest)
}

/** Cuts a draft to what the request allows: first `maxTokens`, then the earliest stop string (which is left out). */
export function limitTokens(
  tokens: readonly string[],
  maxTokens: number | undefined,
  stop: readonly string[],
): Composition {
  const cut = maxTokens !== undefined && tokens.length > maxTokens
  const kept = cut ? tokens.slice(0, maxTokens) : tokens
  if (stop.length > 0) {
    const text = kept.join('')
    let end = -1
    for (const word of stop) {
      const at = text.indexOf(word)
      if (at >= 0 && (end < 0 || at < end)) end = at
    }
    if (end >= 0) return { tokens: splitTokens(text.slice(0, end)), reason: 'stop' }
  }
  return { tokens: kept, reason: cut ? 'length' : 'stop' }
}

/** Writes the text of one answer. */
export function compose(request: ComposeRequest): Composition {
  return limitTokens(draft(request), request.maxTokens, request.stop)
}
