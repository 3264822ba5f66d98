import type { BadHeader, Fault } from '../faults/fault.ts'
import type { HeaderPair } from '../wire/request-head.ts'
import { fieldLines, framingLines, statusLine } from './head.ts'
import type { Framing } from './head.ts'

/** Lines that no strict client accepts (F26). */
const BAD_LINES: Readonly<Record<BadHeader, string>> = {
  nul: 'x-bad: nul\0here\r\n',
  cr: 'x-bad: cr\rhere\r\n',
  lf: 'x-bad: lf\nx-smuggled: here\r\n',
  'obs-fold': 'x-bad: folded\r\n here\r\n',
  'no-colon': 'x-bad without a colon\r\n',
  space: 'x bad: space in the name\r\n',
  'empty-name': ': empty name\r\n',
}

/** Everything between the answer's first byte and its body. */
export interface FaultyHead {
  readonly status: number
  readonly headers: readonly HeaderPair[]
  readonly framing: Framing
  readonly keepAlive: boolean
  readonly version: '1.0' | '1.1'
}

export function informationalHeads(fault: Fault): string {
  if (fault.informational === undefined) return ''
  const { status, count } = fault.informational
  const fields = status === 103 ? 'link: </style.css>; rel=preload\r\n' : ''
  return `${statusLine(status)}${fields}\r\n`.repeat(count)
}

/** The head as text, one character per byte. */
export function faultyHead(head: FaultyHead, fault: Fault): string {
  let lines = fault.statusLine === undefined ? statusLine(head.status) : `${fault.statusLine}\r\n`
  lines += fieldLines(head.headers)
  if (fault.encoding !== undefined) lines += `content-encoding: ${fault.encoding.join(', ')}\r\n`
  lines += framingLines(head.framing, head.keepAlive || fault.connection === 'silent', head.version)
  if (fault.headers !== undefined) lines += fieldLines(fault.headers)
  if (fault.headerBytes !== undefined)
    lines += `x-huge: ${'h'.repeat(Math.max(0, fault.headerBytes - 10))}\r\n`
  for (let i = 0; i < (fault.headerCount ?? 0); i += 1) lines += `x-many-${i}: ${i}\r\n`
  if (fault.badHeader !== undefined) lines += BAD_LINES[fault.badHeader]
  return `${lines}\r\n`
}
