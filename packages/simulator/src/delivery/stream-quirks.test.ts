import fc from 'fast-check'
import { expect, test } from 'vitest'
import { STREAM_QUIRKS } from '../faults/fault.ts'
import type { Frame } from '../formats/answer.ts'
import { quirkFrames } from './stream-quirks.ts'

/** The event stream algorithm of the HTML standard, as far as data goes. */
function readEvents(text: string): string[] {
  const events: string[] = []
  let data: string[] = []
  for (const line of text.replace(/^\uFEFF/, '').split(/\r\n|\r|\n/)) {
    if (line === '') {
      if (data.length > 0) events.push(data.join('\n'))
      data = []
    } else if (line.startsWith('data:')) data.push(line.slice(5).replace(/^ /, ''))
  }
  return events
}

const frames: readonly Frame[] = [
  { kind: 'opening', text: 'data: {"role":"assistant"}\n\n' },
  { kind: 'token', text: 'data: {"content":"a, b: {c}"}\n\n' },
  { kind: 'token', text: 'data: {"content":"\\n\\u2028"}\n\n' },
  { kind: 'terminal', text: 'data: [DONE]\n\n' },
]
const meaning = (events: readonly string[]): unknown[] =>
  events.map((event): unknown => (event === '[DONE]' ? event : JSON.parse(event)))
const expected = meaning(readEvents(frames.map((frame) => frame.text).join('')))

test('whatever quirks are combined, a reader that follows the standard gets the same data', () => {
  const legal = STREAM_QUIRKS.filter((quirk) => quirk !== 'done-twice')
  fc.assert(
    fc.property(fc.subarray(legal), (quirks) => {
      const text = quirkFrames(frames, quirks)
        .map((frame) => frame.text)
        .join('')
      expect(meaning(readEvents(text))).toEqual(expected)
    }),
  )
})

test('done-twice repeats the terminal event', () => {
  const text = quirkFrames(frames, ['done-twice', 'crlf'])
    .map((frame) => frame.text)
    .join('')
  expect(meaning(readEvents(text))).toEqual([...expected, '[DONE]'])
})
