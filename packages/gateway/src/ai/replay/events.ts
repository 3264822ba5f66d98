/** One event of a `text/event-stream`. */
export interface StreamEvent {
  /** Its name, where it has one. */
  readonly name: string | undefined
  readonly data: string
  /** Where it stands in the text it was read from, with the blank line behind it. */
  readonly start: number
  readonly end: number
}

const BLANK_LINE = /\r\n\r\n|\n\n|\r\r/g

/** Reads the events of a whole stream; comments and events without data are left out (HTML Living Standard §9.2). */
export function readEvents(text: string): readonly StreamEvent[] {
  const events: StreamEvent[] = []
  BLANK_LINE.lastIndex = 0
  let start = text.startsWith('\u{FEFF}') ? 1 : 0
  while (start < text.length) {
    const blank = BLANK_LINE.exec(text)
    const stop = blank?.index ?? text.length
    const end = blank === null ? text.length : BLANK_LINE.lastIndex
    const event = readEvent(text.slice(start, stop), start, end)
    if (event !== undefined) events.push(event)
    start = end
    if (blank === null) break
  }
  return events
}

function readEvent(text: string, start: number, end: number): StreamEvent | undefined {
  let name: string | undefined
  let data: string | undefined
  for (const line of text.split(/\r\n|\n|\r/)) {
    const colon = line.indexOf(':')
    const field = colon < 0 ? line : line.slice(0, colon)
    const value = colon < 0 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1)
    if (field === 'event') name = value
    else if (field === 'data') data = data === undefined ? value : `${data}\n${value}`
  }
  return data === undefined ? undefined : { name, data, start, end }
}

/** One event with JSON data. */
export function writeEvent(data: unknown, name?: string): string {
  const line = `data: ${JSON.stringify(data)}\n\n`
  return name === undefined ? line : `event: ${name}\n${line}`
}

/** The pieces of a text as a model would send them: of some words each, and never half a character. */
export function pieces(text: string): readonly string[] {
  const found: string[] = []
  for (let start = 0; start < text.length;) {
    let end = Math.min(text.length, start + PIECE_UNITS)
    if (end < text.length && isHighSurrogate(text.charCodeAt(end - 1))) end += 1
    found.push(text.slice(start, end))
    start = end
  }
  return found
}

const PIECE_UNITS = 48

function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff
}
