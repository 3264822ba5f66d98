import { TOKEN } from '../http/index.ts'
import { refuseHead, type HeadRefusal } from './head-refusal.ts'

const CR = 0x0d
const LF = 0x0a

/** Empty lines that may precede a request line (RFC 9112 §2.2). */
const MAX_EMPTY_LINES = 4

/** Room that method and version need beside the target in a request line. */
const REQUEST_LINE_SLACK = 64

export interface HeadSizeLimits {
  readonly headerBytes: number
  readonly urlBytes: number
}

/** Where the request line starts: after a few empty lines at most. Equals the length when nothing else is there. */
export function headStart(data: Buffer): number {
  let at = 0
  while (at < MAX_EMPTY_LINES * 2 && data[at] === CR && data[at + 1] === LF) at += 2
  return at
}

/**
 * Finds the end of the head that starts at `start`.
 *
 * @returns the index after its empty line, -1 when more bytes are needed, or why no more bytes can help: too long
 *   (F12), a first byte that no method has, a line end that is no CRLF (S01).
 */
export function findHeadEnd(
  data: Buffer,
  start: number,
  limits: HeadSizeLimits,
): number | HeadRefusal {
  const found = emptyLineEnd(data, start)
  const end = found < 0 ? data.length : found
  if (end - start > limits.headerBytes) return tooLong(data, start, limits.urlBytes)
  if (found >= 0) return end
  const first = data[start]
  if (first !== undefined && first !== CR && TOKEN[first] !== 1) {
    return refuseHead('bad_request', 'the first byte starts no method')
  }
  for (let lf = data.indexOf(LF, start); lf >= 0; lf = data.indexOf(LF, lf + 1)) {
    if (lf === 0 || data[lf - 1] !== CR) return refuseHead('bad_request', 'line end without CR')
  }
  return -1
}

/**
 * Index after the first CR LF CR LF, or -1. Looks at every fourth byte, as long as those are neither CR nor LF: a native
 * search costs more than a whole head of usual length for the call alone.
 */
function emptyLineEnd(data: Buffer, start: number): number {
  const { length } = data
  let i = start + 3
  while (i < length) {
    const byte = data[i]
    if (byte === LF) {
      if (data[i - 1] === CR && data[i - 2] === LF && data[i - 3] === CR) return i + 1
      i += 2
    } else {
      i += byte === CR ? 1 : 4
    }
  }
  return -1
}

function tooLong(data: Buffer, start: number, urlBytes: number): HeadRefusal {
  const lineEnd = data.indexOf(LF, start)
  const lineLength = (lineEnd < 0 ? data.length : lineEnd) - start
  return lineLength > urlBytes + REQUEST_LINE_SLACK
    ? refuseHead('uri_too_long', 'request line too long')
    : refuseHead('headers_too_large', 'head too long')
}
