import type { ResponseHead, ResponseSink } from '../messages.ts'

export interface RecordingSink extends ResponseSink {
  readonly headSent: ResponseHead | undefined
  readonly body: Uint8Array
  readonly ended: boolean
  readonly failure: Error | undefined
  /** Settles when the response ended or failed. */
  readonly finished: Promise<void>
}

/** A sink that keeps everything and throws when the order of calls is wrong. */
export function recordingSink(): RecordingSink {
  let headSent: ResponseHead | undefined
  let ended = false
  let failure: Error | undefined
  const chunks: Uint8Array[] = []
  let finish = (): void => undefined
  const finished = new Promise<void>((resolve) => {
    finish = resolve
  })
  const open = (what: string): void => {
    if (ended || failure !== undefined) throw new Error(`${what} after the response was over`)
  }
  return {
    finished,
    get headSent() {
      return headSent
    },
    get body() {
      return concat(chunks)
    },
    get ended() {
      return ended
    },
    get failure() {
      return failure
    },
    head(head) {
      open('head')
      if (headSent !== undefined) throw new Error('head was sent already')
      headSent = head
    },
    write(chunk) {
      open('write')
      if (headSent === undefined) throw new Error('write before head')
      chunks.push(chunk)
      return true
    },
    onDrain() {
      throw new Error('onDrain although every write was taken')
    },
    end() {
      open('end')
      if (headSent === undefined) throw new Error('end before head')
      ended = true
      finish()
    },
    fail(error) {
      open('fail')
      failure = error
      finish()
    },
  }
}

/** One array of all bytes. */
export function concat(chunks: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0))
  let at = 0
  for (const chunk of chunks) {
    whole.set(chunk, at)
    at += chunk.length
  }
  return whole
}
