import { member } from '../usage/index.ts'

const MODEL = Buffer.from('"model"')

/**
 * Reads the top-level `model` of a request. A body where a member of that name stands once needs no parse, as the provider
 * that answered has found it; only where it stands more often the whole body is parsed.
 *
 * @returns `undefined` when the request does not name one.
 */
export function readModel(body: Buffer): string | undefined {
  const value = onlyString(body, MODEL)
  const model = value === 'ambiguous' ? member(parse(body), 'model') : parse(value)
  return typeof model === 'string' ? model : undefined
}

/** Where providers name a model in the path: Gemini and Vertex, Azure (llm-apis.md §1.5, §1.7). */
const PATH_STEPS = ['/models/', '/deployments/']

/** @param path of the request. @returns `undefined` when it names no model. */
export function modelInPath(path: string): string | undefined {
  for (const step of PATH_STEPS) {
    const at = path.indexOf(step)
    if (at < 0) continue
    const rest = path.slice(at + step.length)
    const end = rest.search(/[/:]/)
    const name = end < 0 ? rest : rest.slice(0, end)
    if (name !== '') return name
  }
  return undefined
}

/** The JSON text of the one string that is the value of `quotedKey`. */
function onlyString(body: Buffer, quotedKey: Buffer): Buffer | 'ambiguous' | undefined {
  let found: Buffer | undefined
  let at = body.indexOf(quotedKey)
  while (at >= 0) {
    const value = stringAfterColon(body, at + quotedKey.length)
    if (value !== undefined && found !== undefined) return 'ambiguous'
    found ??= value
    at = body.indexOf(quotedKey, at + quotedKey.length)
  }
  return found
}

function stringAfterColon(body: Buffer, from: number): Buffer | undefined {
  let i = from
  while (isSpace(body[i])) i++
  if (body[i] !== 0x3a) return undefined
  i++
  while (isSpace(body[i])) i++
  if (body[i] !== 0x22) return undefined
  const start = i
  for (i++; i < body.length && body[i] !== 0x22; i++) if (body[i] === 0x5c) i++
  return body.subarray(start, i + 1)
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09
}

function parse(json: Buffer | undefined): unknown {
  if (json === undefined) return undefined
  try {
    return JSON.parse(json.toString('utf8'))
  } catch {
    return undefined
  }
}
