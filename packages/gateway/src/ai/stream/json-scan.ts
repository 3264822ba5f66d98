import { member } from '../usage/index.ts'

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COLON = 0x3a
const OPEN = 0x7b
const CLOSE = 0x7d

/**
 * The last object that is the value of `key`, found without parsing what surrounds it. Inside JSON strings a quote is
 * escaped, so the raw bytes `"usage"` can only be a member name or a whole string value; the colon tells which.
 *
 * @param quotedKey the key with its quotes, such as `"usage"`.
 * @returns the parsed value; `null` when the member is null; `undefined` when there is no such member.
 */
export function objectAfter(json: Buffer, quotedKey: Buffer): unknown {
  let at = json.lastIndexOf(quotedKey)
  while (at >= 0) {
    const colon = skipSpace(json, at + quotedKey.length)
    if (json[colon] === COLON) {
      const start = skipSpace(json, colon + 1)
      if (json[start] === OPEN) return parseObject(json, start)
      if (json.toString('latin1', start, start + 4) === 'null') return null
    }
    if (at === 0) return undefined
    at = json.lastIndexOf(quotedKey, at - 1)
  }
  return undefined
}

function parseObject(json: Buffer, start: number): unknown {
  let depth = 0
  let inString = false
  for (let i = start; i < json.length; i++) {
    const byte = json[i]
    if (inString) {
      if (byte === BACKSLASH) i++
      else if (byte === QUOTE) inString = false
    } else if (byte === QUOTE) inString = true
    else if (byte === OPEN) depth++
    else if (byte === CLOSE && --depth === 0) {
      try {
        return JSON.parse(json.toString('utf8', start, i + 1))
      } catch {
        return undefined
      }
    }
  }
  return undefined
}

function skipSpace(json: Buffer, from: number): number {
  let i = from
  while (json[i] === 0x20 || json[i] === 0x0a || json[i] === 0x0d || json[i] === 0x09) i++
  return i
}

/**
 * How many bytes of text the first non-empty string member `quotedKey` carries, in its JSON form.
 *
 * @param quotedKey the key with its quotes, such as `"content"`.
 */
export function jsonTextBytes(json: Buffer, quotedKey: Buffer): number {
  let at = json.indexOf(quotedKey)
  while (at >= 0) {
    const colon = skipSpace(json, at + quotedKey.length)
    const start = json[colon] === COLON ? skipSpace(json, colon + 1) : -1
    if (start > 0 && json[start] === QUOTE) {
      const length = stringEnd(json, start + 1) - start - 1
      if (length > 0) return length
    }
    at = json.indexOf(quotedKey, at + quotedKey.length)
  }
  return 0
}

function stringEnd(json: Buffer, from: number): number {
  for (let i = from; i < json.length; i++) {
    const byte = json[i]
    if (byte === BACKSLASH) i++
    else if (byte === QUOTE) return i
  }
  return json.length
}

/**
 * The string member `name` of a JSON object, or of the object in its member `within`. Where a member of that name stands
 * once nothing is parsed; clients can have providers echo more of them (metadata, tools), and then only a parse tells.
 *
 * @returns `undefined` when there is none, or what is no JSON.
 */
export function stringMember(json: Buffer, name: string, within?: string): string | undefined {
  const quotedKey = quoted(name)
  let found: Buffer | undefined
  for (let at = json.indexOf(quotedKey); at >= 0; at = json.indexOf(quotedKey, at + 1)) {
    const colon = skipSpace(json, at + quotedKey.length)
    if (json[colon] !== COLON) continue
    const start = skipSpace(json, colon + 1)
    if (json[start] !== QUOTE) continue
    if (found !== undefined) return parsedMember(json, name, within)
    found = json.subarray(start, stringEnd(json, start + 1) + 1)
  }
  const value = found === undefined ? undefined : parse(found)
  return typeof value === 'string' ? value : undefined
}

const quotedNames = new Map<string, Buffer>()

/** Names are the dialects' constants: there are a handful. */
function quoted(name: string): Buffer {
  let bytes = quotedNames.get(name)
  if (bytes === undefined) quotedNames.set(name, (bytes = Buffer.from(`"${name}"`)))
  return bytes
}

function parsedMember(json: Buffer, name: string, within: string | undefined): string | undefined {
  const root = parse(json)
  const holder = within === undefined ? root : member(root, within)
  const value = member(holder, name)
  return typeof value === 'string' ? value : undefined
}

function parse(json: Buffer): unknown {
  try {
    return JSON.parse(json.toString('utf8'))
  } catch {
    return undefined
  }
}
