import { decodePath } from './decode-path.ts'

/** `strict` refuses what two parsers could read differently (fault S06); `kong` does what Kong does. */
export type NormalisationMode = 'strict' | 'kong'

/**
 * The form of a path that routes, access rules and upstream agree on (kong.md §2.1): escapes decoded, except those of
 * characters with a meaning of their own, which stay with upper-case digits; then repeated slashes merged and dot
 * segments removed. A path is decoded exactly once.
 *
 * `strict` gives the same, but `undefined` for paths whose meaning depends on the reader: dot segments, also encoded or
 * with parameters (`..;x`), backslashes, encoded slashes, control characters, malformed escapes, a fragment, a space at
 * the end. For everything it accepts, `new URL` would find the same path.
 *
 * @param rawPath the request target up to its first `?`, one character per byte as HTTP parsers deliver it.
 * @returns decoded text; bytes that are not UTF-8 stay escaped. `undefined` also when it does not start with `/`.
 */
export function normalisePath(rawPath: string, mode: NormalisationMode): string | undefined {
  if (CANONICAL.test(rawPath)) return rawPath
  if (!rawPath.startsWith('/')) return undefined
  if (mode === 'kong') return removeDotSegments(mergeSlashes(decodePath(rawPath)))
  if (isAmbiguousRaw(rawPath)) return undefined
  const path = mergeSlashes(decodePath(rawPath))
  return isAmbiguous(path) ? undefined : path
}

/** A path that needs no closer look, as nearly all: visible ASCII but `#%?\\`, no dot or slash behind a slash. */
const CANONICAL = /^(?:\/(?![./])[!"$&-.0->@-[\]-~]*)+$/

function isAmbiguousRaw(path: string): boolean {
  return /[#?]|%(?![0-9A-Fa-f]{2})|%2[Ff]/.test(path)
}

// oxlint-disable-next-line no-control-regex -- control characters are exactly what is refused
const CONTROL_OR_BACKSLASH = /[\0-\x1f\x7f\\]/
const DOT_SEGMENT = /(?:^|\/)\.\.?(?:$|\/|;|%3B)/

function isAmbiguous(path: string): boolean {
  return path.endsWith(' ') || CONTROL_OR_BACKSLASH.test(path) || DOT_SEGMENT.test(path)
}

function mergeSlashes(path: string): string {
  return path.includes('//') ? path.replace(/\/{2,}/g, '/') : path
}

/** RFC 3986 §5.2.4 for a path that starts with a slash. */
function removeDotSegments(path: string): string {
  if (!path.includes('/.')) return path
  const kept: string[] = []
  const segments = path.split('/')
  const last = segments.length - 1
  segments.forEach((segment, i) => {
    if (segment !== '.' && segment !== '..') {
      kept.push(segment)
      return
    }
    // The empty segment before the first slash stays.
    if (segment === '..' && kept.length > 1) kept.pop()
    if (i === last) kept.push('')
  })
  return kept.join('/')
}
