import type { Frame } from '../formats/answer.ts'
import type { MalformedEvent, StreamQuirk } from '../faults/fault.ts'

const LINE_ENDS = ['\n', '\r\n', '\r']

function eachData(text: string, change: (data: string) => string): string {
  return text.replace(/^data: (.*)$/gm, (_line, data: string) => change(data))
}

/** `mixed` takes them in turn, one an event; of several wishes the oddest wins. */
function lineEndOf(quirks: readonly StreamQuirk[], index: number): string {
  if (quirks.includes('mixed')) return LINE_ENDS[index % LINE_ENDS.length] ?? '\n'
  if (quirks.includes('cr')) return '\r'
  return quirks.includes('crlf') ? '\r\n' : '\n'
}

/** Splits JSON behind its opening brace: between two `data` lines stands a line end, which JSON takes as white space. */
function splitData(data: string): string {
  return data.startsWith('{') ? `data: {\ndata: ${data.slice(1)}` : `data: ${data}`
}

/**
 * Writes events in unusual but legal framing (F29): every reader that follows the standard gets the same data.
 * Order matters: lines are added first, line ends changed last.
 */
export function quirkFrames(
  frames: readonly Frame[],
  quirks: readonly StreamQuirk[],
): readonly Frame[] {
  const has = (quirk: StreamQuirk): boolean => quirks.includes(quirk)
  const changed = frames.map(({ kind, text }, index): Frame => {
    let result = text
    if (has('multi-data')) result = eachData(result, splitData)
    if (has('no-space')) result = result.replace(/^data: /gm, 'data:')
    if (has('fields')) result = `id: ${index}\nretry: 3000\nunknown: field\n${result}`
    if (has('comments')) result = `: keep-alive ${index}\n\n:\n${result}`
    const lineEnd = lineEndOf(quirks, index)
    if (lineEnd !== '\n') result = result.replaceAll('\n', lineEnd)
    return { kind, text: result }
  })
  const [first] = changed
  if (has('bom') && first !== undefined) changed[0] = { ...first, text: `\uFEFF${first.text}` }
  const last = changed.find((frame) => frame.kind === 'terminal')
  if (has('done-twice') && last !== undefined) changed.push(last)
  return changed
}

/** The bytes of an event that no reader can use. */
export function malformedEvent(kind: MalformedEvent): Buffer {
  if (kind === 'json')
    return Buffer.from(
      'data: {"id":"chatcmpl-broken","choices":[{"index":0,"delta":{"content":"cut\n\n',
    )
  if (kind === 'utf8')
    return Buffer.concat([
      Buffer.from('data: {"choices":[{"index":0,"delta":{"content":"'),
      Buffer.from([0xff, 0xfe, 0xc3, 0x28]),
      Buffer.from('"}}]}\n\n'),
    ])
  if (kind === 'not-an-event') return Buffer.from('this is not an event\n<p>nor is this</p>\n\n')
  return Buffer.from('data: {"choices":[]}')
}
