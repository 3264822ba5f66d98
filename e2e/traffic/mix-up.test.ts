import { Agent, request, type IncomingMessage } from 'node:http'
import { expect, test } from 'vitest'
import { givenTraffic } from './support.ts'

const REQUESTS = 5_000
const CONCURRENCY = 40

/** A generator of the same numbers every time (mulberry32). */
function numbers(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

interface Asked {
  readonly nonce: string
  readonly stream: boolean
  /** Abort after so many ms; `undefined`: read to the end. */
  readonly abortMs: number | undefined
}

type Answered = 'right' | 'foreign' | 'aborted' | 'failed'

test('F80 thousands of requests over shared connections, one in ten aborted: nobody gets another’s answer', async () => {
  // Not to be recorded: the records would be the memory of this test.
  await using given = await givenTraffic({ simulator: { record: false } })
  const agent = new Agent({ keepAlive: true, maxSockets: CONCURRENCY })
  const random = numbers(80)

  function ask({ nonce, stream, abortMs }: Asked): Promise<Answered> {
    return new Promise((resolve) => {
      const body = JSON.stringify({
        model: 'gpt-4.1',
        stream,
        messages: [{ role: 'user', content: `nonce:${nonce} tokens:6` }],
      })
      const outgoing = request(`${given.url}/v1/chat/completions`, {
        method: 'POST',
        agent,
        headers: {
          'Content-Type': 'application/json',
          'Content-Length': body.length,
          'x-simulator-nonce': nonce,
        },
      })
      let aborted = false
      outgoing.on('error', () => resolve(aborted ? 'aborted' : 'failed'))
      outgoing.on('response', (answer) => read(answer, nonce, () => aborted, resolve))
      outgoing.end(body)
      if (abortMs === undefined) return
      setTimeout(() => {
        aborted = true
        outgoing.destroy()
      }, abortMs)
    })
  }

  const counts: Record<Answered, number> = { right: 0, foreign: 0, aborted: 0, failed: 0 }
  let next = 0
  await Promise.all(
    Array.from({ length: CONCURRENCY }, async () => {
      while (next < REQUESTS) {
        const nonce = `n${next++}`
        const aborts = random() < 0.1
        const abortMs = aborts ? random() * 15 : undefined
        counts[await ask({ nonce, stream: random() < 0.5, abortMs })]++
      }
    }),
  )
  agent.destroy()
  expect(counts.foreign).toBe(0)
  // A refusal of a busy machine is no mix-up; many of them would be a defect.
  expect(counts.failed).toBeLessThan(5)
  expect(counts.aborted).toBeGreaterThan(100)
  expect(counts.right).toBeGreaterThan(REQUESTS * 0.85)
  await given.quiet()
}, 60_000)

/** Both the header and the text of an answer tell whose it is. */
function read(
  answer: IncomingMessage,
  nonce: string,
  aborted: () => boolean,
  resolve: (answered: Answered) => void,
): void {
  let text = ''
  answer.setEncoding('utf8')
  answer.on('data', (chunk: string) => (text += chunk))
  answer.on('error', () => resolve(aborted() ? 'aborted' : 'failed'))
  answer.on('end', () => {
    const others = text.match(/\bn\d+\b/g)?.filter((found) => found !== nonce) ?? []
    const right = answer.headers['x-simulator-nonce'] === nonce && others.length === 0
    const foreign = others.length > 0 || (answer.headers['x-simulator-nonce'] ?? nonce) !== nonce
    if (foreign) resolve('foreign')
    else resolve(right && answer.statusCode === 200 ? 'right' : 'failed')
  })
}
