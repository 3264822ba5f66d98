import type { Excerpt, Path } from './diagnostics.ts'
import { isReference, leadsToSecret, MASK, maskLine } from './secret-masking.ts'
import type { Span } from './yaml/positioned-yaml.ts'

/** Private-use characters that keep the place of the mark while the text around it is masked. */
const MARK_START = '\u{e000}'
const MARK_END = '\u{e001}'
/** A long line, such as JSON without line feeds, is cut before it is looked at any closer. */
const CONTEXT = 4000
const MAX_WIDTH = 160
const WIDTH_BEFORE_MARK = 40

/** The first line of a span, with every value that may be secret masked. */
export function excerptOf(text: string, span: Span, column: number, path: Path): Excerpt {
  const newline = text.indexOf('\n', span.start)
  const lineEnd = Math.min(newline < 0 ? text.length : newline, span.start + CONTEXT)
  const before = text.slice(Math.max(span.start - (column - 1), span.start - CONTEXT), span.start)
  const end = Math.max(span.start, Math.min(span.end, lineEnd))
  const marked = text.slice(span.start, end)
  const after = text.slice(end, lineEnd).replace(/\r$/, '')
  return cutAround(maskMarked(before, marked, after, path).replaceAll('\t', ' '))
}

function maskMarked(before: string, marked: string, after: string, path: Path): string {
  // The mark may be on the field's own name, whose value is masked by that name.
  const isName = /^["']?\s*:/.test(after)
  if (!leadsToSecret(path) || isName || isReference(marked))
    return maskLine(`${before}${MARK_START}${marked}${MARK_END}${after}`)
  return `${maskLine(before)}${MARK_START}${MASK}${MARK_END}${maskLine(after)}`
}

function cutAround(line: string): Excerpt {
  const found = line.indexOf(MARK_START)
  const start = found < 0 ? Math.max(0, line.indexOf(MASK)) : found
  const closing = line.indexOf(MARK_END)
  const length = Math.max(1, closing < 0 ? MASK.length : closing - start - 1)
  const bare = line.replaceAll(MARK_START, '').replaceAll(MARK_END, '')
  if (bare.length <= MAX_WIDTH) return { text: bare, column: start + 1, length }
  const from = Math.max(0, Math.min(start - WIDTH_BEFORE_MARK, bare.length - MAX_WIDTH))
  const text = bare.slice(from, from + MAX_WIDTH)
  return { text, column: start - from + 1, length: Math.min(length, text.length - (start - from)) }
}
