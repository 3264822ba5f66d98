import { member } from '../usage/index.ts'

const MODEL = Buffer.from('"model"')
const CHOICES = Buffer.from('"n"')

/** What the meter needs to know of a request. */
export interface RequestFacts {
  /** The model that was asked for; `undefined` when the request does not name one. */
  readonly model: string | undefined
  /** How many choices the answer will have. */
  readonly choices: number
}

/**
 * Reads the top-level `model` and `n` of a request. A body where a member of that name stands once needs no parse, as a
 * provider that answers has found it; only where it stands more often the whole body is parsed.
 */
export function readRequestFacts(body: Buffer): RequestFacts {
  const model = onlyValue(body, MODEL)
  const choices = onlyValue(body, CHOICES)
  if (model === 'ambiguous' || choices === 'ambiguous') return parsedFacts(body)
  const named = parseScalar(model)
  const count = parseScalar(choices)
  return {
    model: typeof named === 'string' ? named : undefined,
    choices: isChoiceCount(count) ? count : 1,
  }
}

/** The bytes of the one scalar that is the value of `quotedKey`. */
function onlyValue(body: Buffer, quotedKey: Buffer): Buffer | 'ambiguous' | undefined {
  let found: Buffer | undefined
  for (
    let at = body.indexOf(quotedKey);
    at >= 0;
    at = body.indexOf(quotedKey, at + quotedKey.length)
  ) {
    const value = scalarAfterColon(body, at + quotedKey.length)
    if (value === undefined) continue
    if (found !== undefined) return 'ambiguous'
    found = value
  }
  return found
}

function scalarAfterColon(body: Buffer, from: number): Buffer | undefined {
  let i = from
  while (isSpace(body[i])) i++
  if (body[i] !== 0x3a) return undefined
  i++
  while (isSpace(body[i])) i++
  const start = i
  if (body[i] === 0x22) {
    for (i++; i < body.length && body[i] !== 0x22; i++) if (body[i] === 0x5c) i++
    return body.subarray(start, i + 1)
  }
  while (i < body.length && isNumberByte(body[i] ?? 0)) i++
  return i > start ? body.subarray(start, i) : undefined
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09
}

/** Digits, sign, point and exponent. */
function isNumberByte(byte: number): boolean {
  return (byte >= 0x30 && byte <= 0x39) || byte === 0x2d || byte === 0x2e || byte === 0x65
}

function parseScalar(bytes: Buffer | undefined): unknown {
  if (bytes === undefined) return undefined
  try {
    return JSON.parse(bytes.toString('utf8'))
  } catch {
    return undefined
  }
}

function parsedFacts(body: Buffer): RequestFacts {
  const document = parseScalar(body)
  const model = member(document, 'model')
  const choices = member(document, 'n')
  return {
    model: typeof model === 'string' ? model : undefined,
    choices: isChoiceCount(choices) ? choices : 1,
  }
}

function isChoiceCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1
}
