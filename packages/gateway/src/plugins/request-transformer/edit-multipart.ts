import { GatewayError } from '../../errors/index.ts'
import type { Edits } from './config.ts'
import { renderTemplate, type Resolve, type Template } from './template.ts'

interface MultipartPart {
  /** `undefined` for a part that is no form field. */
  readonly name: string | undefined
  /** Headers, empty line and content, one character per byte. */
  readonly text: string
}

/**
 * Edits the parts of a `multipart/form-data` body by their names (kong.md §3.13); Kong appends nothing here.
 *
 * @returns the new body; `undefined` when nothing changes or the body is not well-formed.
 */
export function editMultipart(
  body: Uint8Array,
  contentType: string,
  edits: Edits,
  resolve: Resolve,
): Uint8Array | undefined {
  const boundary = boundaryOf(contentType)
  const given = boundary === undefined ? undefined : split(body, boundary)
  if (boundary === undefined || given === undefined) return undefined

  let parts = given
  const has = (name: string): boolean => parts.some((part) => part.name === name)
  const field = (name: string, value: Template): MultipartPart =>
    simpleField(name, renderTemplate(value, resolve), boundary)

  for (const name of edits.remove) parts = parts.filter((part) => part.name !== name)
  for (const { from, to } of edits.rename) {
    if (from === to || !has(from)) continue
    parts = parts
      .filter((part) => part.name !== to)
      .map((part) => (part.name === from ? { name: to, text: renamed(part.text, to) } : part))
  }
  for (const { name, value } of edits.replace) {
    const at = parts.findIndex((part) => part.name === name)
    if (at < 0) continue
    parts = parts
      .filter((part, index) => index <= at || part.name !== name)
      .with(at, field(name, value))
  }
  for (const { name, value } of edits.add) if (!has(name)) parts = [...parts, field(name, value)]
  if (parts === given) return undefined
  const written = parts.map(({ text }) => `--${boundary}\r\n${text}\r\n`).join('')
  return Buffer.from(`${written}--${boundary}--\r\n`, 'latin1')
}

function boundaryOf(contentType: string): string | undefined {
  const match = /;\s*boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))/i.exec(contentType)
  return match?.[1] ?? match?.[2]
}

/** RFC 2046 §5.1.1. @returns `undefined` when the closing delimiter or an empty line is missing. */
function split(body: Uint8Array, boundary: string): readonly MultipartPart[] | undefined {
  const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('latin1')
  const [, ...sections] = `\r\n${text}`.split(`\r\n--${boundary}`)
  const closing = sections.findIndex((section) => section.startsWith('--'))
  if (closing < 0) return undefined
  const parts: MultipartPart[] = []
  for (const section of sections.slice(0, closing)) {
    const lineEnd = /^[ \t]*\r\n/.exec(section)?.[0]
    if (lineEnd === undefined) return undefined
    const part = section.slice(lineEnd.length)
    const headEnd = part.startsWith('\r\n') ? 0 : part.indexOf('\r\n\r\n')
    if (headEnd < 0) return undefined
    parts.push({ name: nameIn(part.slice(0, headEnd)), text: part })
  }
  return parts
}

const DISPOSITION =
  /^(content-disposition:[^\r\n]*?;\s*name=)(?:"((?:[^"\\\r\n]|\\.)*)"|([^\s;"]+))/im

function nameIn(head: string): string | undefined {
  const match = DISPOSITION.exec(head)
  const name = match?.[2]?.replaceAll(/\\(["\\])/g, '$1') ?? match?.[3]
  return name === undefined ? undefined : Buffer.from(name, 'latin1').toString()
}

function renamed(text: string, name: string): string {
  const headEnd = text.indexOf('\r\n\r\n')
  const head = text
    .slice(0, headEnd)
    .replace(DISPOSITION, (_, before: string) => `${before}"${quotable(name)}"`)
  return head + text.slice(headEnd)
}

/** @throws {GatewayError} 400 when the value would end its own part. */
function simpleField(name: string, value: string, boundary: string): MultipartPart {
  const content = Buffer.from(value).toString('latin1')
  if (content.includes(`--${boundary}`)) {
    throw new GatewayError('bad_request', { reason: 'a value holds the delimiter of its body' })
  }
  return {
    name,
    text: `Content-Disposition: form-data; name="${quotable(name)}"\r\n\r\n${content}`,
  }
}

/** As browsers write names (WHATWG HTML, multipart/form-data encoding), one character per byte. */
function quotable(name: string): string {
  const escaped = name.replaceAll('"', '%22').replaceAll('\r', '%0D').replaceAll('\n', '%0A')
  return Buffer.from(escaped).toString('latin1')
}
