/** The longest event that is read; a peer that sends more without a blank line is not speaking this protocol. */
const MAX_EVENT_CHARACTERS = 64 * 1_024 * 1_024

/**
 * The data of server-sent events (WHATWG HTML §9.2): lines end in LF, CR or CRLF, comments and unknown fields are left
 * out, what follows the last blank line is no event.
 *
 * @throws {RangeError} when an event has no end.
 */
export async function* eventData(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<string, void> {
  const decoder = new TextDecoder()
  const lines = new LineSplitter()
  let data: string[] = []
  let dataLength = 0
  for await (const piece of pieces) {
    for (const line of lines.split(decoder.decode(piece, { stream: true }))) {
      if (line === '') {
        if (data.length === 0) continue
        const event = data.join('\n')
        data = []
        dataLength = 0
        yield event
        continue
      }
      const value = dataOf(line)
      if (value === undefined) continue
      data.push(value)
      dataLength += value.length
    }
    if (lines.pending + dataLength > MAX_EVENT_CHARACTERS)
      throw new RangeError('an event of the stream is too long')
  }
}

function dataOf(line: string): string | undefined {
  if (!line.startsWith('data')) return undefined
  if (line.length === 4) return ''
  if (line[4] !== ':') return undefined
  return line.slice(line[5] === ' ' ? 6 : 5)
}

/** Lines out of text that comes in pieces. What is not ended yet is kept in parts, so that each is looked at once. */
class LineSplitter {
  #parts: string[] = []
  #isAfterCr = false
  pending = 0

  /** @returns the lines that end in `text`. */
  split(text: string): readonly string[] {
    const lines: string[] = []
    let from = 0
    // The LF of a CRLF that was cut in two.
    if (this.#isAfterCr && text !== '') {
      this.#isAfterCr = false
      if (text.startsWith('\n')) from = 1
    }
    for (let at = from; at < text.length; at++) {
      const code = text.charCodeAt(at)
      if (code !== 10 && code !== 13) continue
      const line = this.#parts.join('') + text.slice(from, at)
      this.#parts = []
      this.pending = 0
      if (code === 13) {
        if (at + 1 === text.length) this.#isAfterCr = true
        else if (text.charCodeAt(at + 1) === 10) at++
      }
      from = at + 1
      lines.push(line)
    }
    if (from < text.length) {
      this.#parts.push(text.slice(from))
      this.pending += text.length - from
    }
    return lines
  }
}
