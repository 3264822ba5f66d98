import type { HeaderFields } from '@pratu/plugin-kit'
import { isFieldValue } from '../../http/index.ts'
import type { Edits } from './config.ts'
import { renderTemplate, type Resolve, type Template } from './template.ts'

/** Framing and connection are the gateway's own business: a body of another length than announced is an attack. */
const OUT_OF_REACH: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'expect',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** Edits the fields of the upstream request (kong.md §3.13). `Host` may be replaced, and nothing else. */
export function editHeaders(headers: HeaderFields, edits: Edits, resolve: Resolve): void {
  const value = (template: Template): string => toFieldValue(renderTemplate(template, resolve))

  for (const name of edits.remove) {
    const lower = name.toLowerCase()
    if (!isFixed(lower)) headers.delete(lower)
  }
  for (const { from, to } of edits.rename) {
    const lower = from.toLowerCase()
    if (!isFixed(lower) && !isFixed(to.toLowerCase())) rename(headers, lower, to)
  }
  for (const { name, value: template } of edits.replace) {
    const lower = name.toLowerCase()
    if (lower === 'host' || (!isFixed(lower) && headers.has(lower))) {
      headers.set(name, value(template))
    }
  }
  for (const { name, value: template } of edits.add) {
    const lower = name.toLowerCase()
    if (!isFixed(lower) && !headers.has(lower)) headers.set(name, value(template))
  }
  for (const { name, value: template } of edits.append) {
    if (!isFixed(name.toLowerCase())) headers.append(name, value(template))
  }
}

function isFixed(lower: string): boolean {
  return lower === 'host' || OUT_OF_REACH.has(lower)
}

function rename(headers: HeaderFields, from: string, to: string): void {
  const values = headers.all(from)
  const [first, ...rest] = values
  if (first === undefined) return
  headers.delete(from)
  headers.set(to, first)
  for (const one of rest) headers.append(to, one)
}

/**
 * Arguments and captures are decoded text, so a line break in them would begin another field: control characters are
 * percent-encoded, and text beyond Latin-1 goes out as its UTF-8 bytes.
 */
function toFieldValue(text: string): string {
  const trimmed = text.trim()
  if (isFieldValue(trimmed)) return trimmed
  let safe = ''
  for (const character of trimmed) {
    const bytes = Buffer.from(character).toString('latin1')
    safe += isFieldValue(bytes) ? bytes : encodeURIComponent(character)
  }
  return safe
}
