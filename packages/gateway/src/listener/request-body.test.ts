import type { ByteSink } from '@pratu/plugin-kit'
import { expect, test } from 'vitest'
import { GatewayError, isGatewayError } from '../errors/index.ts'
import { MemoryBudget } from '../http/index.ts'
import { IncomingBody } from './request-body.ts'

/** A body whose source is the test, and what the body asked of it. */
function given(
  declaredBytes: number | undefined,
  options: { maxBytes?: number; memory?: MemoryBudget } = {},
) {
  const asked: string[] = []
  const memory = options.memory ?? new MemoryBudget(1e6)
  const source = {
    resumeBody: () => void asked.push('resume'),
    pauseBody: () => void asked.push('pause'),
  }
  const body = new IncomingBody(source, declaredBytes, {
    memory,
    maxBytes: options.maxBytes ?? 1000,
    jsonDepth: 64,
    jsonMembers: 1000,
  })
  return { body, asked, memory, push: (text: string) => body.push(Buffer.from(text)) }
}

function collecting() {
  const events: string[] = []
  let resume = (): void => undefined
  let ready = true
  const sink: ByteSink = {
    write: (chunk) => {
      events.push(Buffer.from(chunk).toString())
      return ready
    },
    onDrain: (listener) => (resume = listener),
    end: () => events.push('end'),
    fail: (error) => events.push(isGatewayError(error) ? error.code : error.message),
  }
  return { sink, events, drain: () => resume(), behind: () => (ready = false) }
}

function whole(bytes: Uint8Array | Promise<Uint8Array>): Uint8Array {
  if (bytes instanceof Promise) throw new Error('the body is not here yet')
  return bytes
}

const codeOf = (run: () => unknown): string => {
  try {
    run()
    return 'accepted'
  } catch (error) {
    return isGatewayError(error) ? error.code : String(error)
  }
}

test('nothing is read before somebody asks', () => {
  const { body, asked } = given(10)
  expect(asked).toEqual([])
  expect(body).toMatchObject({ empty: false, completed: false, replayable: true, receivedBytes: 0 })
})

test('no body is empty, complete, and answers at once', () => {
  const { body, asked } = given(0)
  expect(body).toMatchObject({ empty: true, completed: true, replayable: true, declaredBytes: 0 })
  expect(body.bytes(10)).toEqual(Buffer.alloc(0))
  expect(body.buffer(10)).toBe('complete')
  expect(asked).toEqual([])
})

test('what came with the head is answered synchronously and without a copy', () => {
  const { body } = given(5)
  const chunk = Buffer.from('hello')
  body.push(chunk)
  body.finish()
  expect(body.bytes(10)).toBe(chunk)
  expect(body.bytes(10)).toBe(chunk)
  expect(body.buffer(1)).toBe('complete')
})

test('bytes waits for the rest, and two callers get the same', async () => {
  const { body, push, asked } = given(undefined)
  push('he')
  const both = Promise.all([body.bytes(10), body.bytes(20)])
  expect(asked).toEqual(['resume'])
  push('llo')
  body.finish()
  const [first, second] = await both
  expect(Buffer.from(first).toString()).toBe('hello')
  expect(second).toEqual(first)
})

test('F12 the cap is the smallest of the caller, the request and the node', () => {
  expect(codeOf(() => given(1001).body.bytes(5000))).toBe('body_too_large')
  expect(codeOf(() => given(11).body.bytes(10))).toBe('body_too_large')
  const limited = given(50)
  expect(codeOf(() => limited.body.limit(49))).toBe('body_too_large')
  const node = given(1001)
  expect(codeOf(() => node.body.limit(5000))).toBe('body_too_large')
  const buffered = given(5)
  buffered.push('hello')
  buffered.body.finish()
  expect(codeOf(() => buffered.body.bytes(4))).toBe('body_too_large')
  expect(codeOf(() => buffered.body.bytes(5))).toBe('accepted')
})

test('F12 a later caller lowers the cap of the request and never raises it', () => {
  const { body } = given(50)
  body.limit(60)
  expect(codeOf(() => body.limit(1000))).toBe('accepted')
  expect(codeOf(() => body.limit(49))).toBe('body_too_large')
  const raised = given(undefined)
  raised.body.limit(4)
  raised.body.limit(1000)
  const collected = collecting()
  raised.body.pipe(collected.sink)
  raised.push('hello')
  expect(collected.events).toEqual(['body_too_large'])
})

test('a replaced body is as long and as empty as its replacement', () => {
  const { body } = given(0)
  expect(body.empty).toBe(true)
  body.replace(Buffer.from('x'))
  expect([body.empty, body.declaredBytes]).toEqual([false, 1])
  body.replace(new Uint8Array(0))
  expect(body.empty).toBe(true)
})

test('F12 a chunked body is refused when it crosses the cap, and its memory comes back', async () => {
  const { body, push, memory } = given(undefined)
  body.limit(8)
  const bytes = body.bytes(100)
  push('hello')
  push('world')
  await expect(bytes).rejects.toMatchObject({ code: 'body_too_large' })
  expect(memory.used).toBe(0)
  expect(codeOf(() => body.bytes(100))).toBe('body_too_large')
  expect(codeOf(() => body.buffer(100))).toBe('body_too_large')
})

test('buffer stops above its mark, pauses, and pipe sends what was read first', async () => {
  const { body, push, asked, memory } = given(undefined)
  const buffered = body.buffer(4)
  push('he')
  push('llo')
  expect(await buffered).toBe('partial')
  expect(asked).toEqual(['resume', 'pause'])
  expect(body.replayable).toBe(true)
  const { sink, events } = collecting()
  body.pipe(sink)
  expect(memory.used).toBe(0)
  expect(asked).toEqual(['resume', 'pause', 'resume'])
  expect(body.replayable).toBe(false)
  push(' world')
  body.finish()
  expect(events).toEqual(['hello', ' world', 'end'])
})

test('a declared length above the mark is partial at once, without reading', () => {
  const { body, asked } = given(500)
  expect(body.buffer(100)).toBe('partial')
  expect(asked).toEqual([])
})

test('bytes after a partial buffer reads the rest', async () => {
  const { body, push } = given(undefined)
  const buffered = body.buffer(2)
  push('hello')
  expect(await buffered).toBe('partial')
  const bytes = body.bytes(100)
  push(' world')
  body.finish()
  expect(Buffer.from(await bytes).toString()).toBe('hello world')
})

test('a complete body can be piped again and again, a streamed one only once', () => {
  const complete = given(5)
  complete.push('hello')
  complete.body.finish()
  for (let i = 0; i < 2; i++) {
    const { sink, events } = collecting()
    complete.body.pipe(sink)
    expect(events).toEqual(['hello', 'end'])
  }
  const streamed = given(5)
  streamed.body.pipe(collecting().sink)
  expect(() => streamed.body.pipe(collecting().sink)).toThrow('already piped')
  expect(() => streamed.body.bytes(10)).toThrow('already piped')
})

test('F04 a sink that is behind pauses the client, and its drain resumes it', () => {
  const { body, push, asked } = given(20)
  const { sink, drain, behind } = collecting()
  body.pipe(sink)
  behind()
  push('hello')
  expect(asked).toEqual(['resume', 'pause'])
  drain()
  expect(asked).toEqual(['resume', 'pause', 'resume'])
})

test('F04 a sink that is behind from the first bytes on waits for its drain', () => {
  const { body, push, asked } = given(20)
  push('hello')
  const { sink, drain, behind } = collecting()
  behind()
  body.pipe(sink)
  expect(asked).toEqual([])
  drain()
  expect(asked).toEqual(['resume'])
})

test('a failing source fails the sink once, and never ends it', () => {
  const { body, push } = given(20)
  const { sink, events } = collecting()
  body.pipe(sink)
  push('hello')
  body.fail(new GatewayError('request_timeout'))
  body.fail(new GatewayError('bad_request'))
  body.release()
  expect(events).toEqual(['hello', 'request_timeout'])
})

test('a piped body beyond its cap fails the sink with 413', () => {
  const declared = given(2000)
  const first = collecting()
  declared.body.pipe(first.sink)
  expect(first.events).toEqual(['body_too_large'])
  const chunked = given(undefined)
  chunked.body.limit(4)
  const second = collecting()
  chunked.body.pipe(second.sink)
  chunked.push('hello')
  expect(second.events).toEqual(['body_too_large'])
})

test('piping while a caller waits for bytes is refused', () => {
  const { body } = given(20)
  void Promise.resolve(body.bytes(100)).catch(() => 'released below')
  expect(() => body.pipe(collecting().sink)).toThrow('while it is being buffered')
  body.release()
})

test('F52 without memory to spare the caller gets overloaded', async () => {
  const { body, push, memory } = given(undefined, { memory: new MemoryBudget(6) })
  const bytes = body.bytes(100)
  push('hello')
  push('world')
  await expect(bytes).rejects.toMatchObject({ code: 'overloaded' })
  expect(memory.used).toBe(0)
})

test('after the exchange its memory is given back, but a flight that lives on can still read the body', () => {
  const { body, push, memory } = given(5)
  push('hello')
  body.finish()
  expect(memory.used).toBe(5)
  body.release()
  body.release()
  expect(memory.used).toBe(0)
  expect(Buffer.from(whole(body.bytes(10))).toString()).toBe('hello')
})

test('the end of an exchange rejects whoever still waits', async () => {
  const { body } = given(5)
  const bytes = body.bytes(10)
  body.release()
  await expect(bytes).rejects.toMatchObject({ code: 'bad_request' })
})

test('json is parsed once per content, and replace starts anew', () => {
  const { body, push } = given(11)
  push('{"model":1}')
  body.finish()
  const document = body.json(100)
  expect(body.json(100)).toBe(document)
  expect(document).toMatchObject({ value: { model: 1 } })
  body.replace(Buffer.from('{"model":22}'))
  expect(body.json(100)).toMatchObject({ value: { model: 22 } })
  expect(Buffer.from(whole(body.bytes(100))).toString()).toBe('{"model":22}')
  const { sink, events } = collecting()
  body.pipe(sink)
  expect(events).toEqual(['{"model":22}', 'end'])
  expect(body.replayable).toBe(true)
})

test('json waits for the body, and refuses what is none', async () => {
  const { body, push } = given(undefined)
  const document = body.json(100)
  push('{"a":')
  push('[1]}')
  body.finish()
  expect(await document).toMatchObject({ value: { a: [1] } })
  const broken = given(1)
  broken.push('{')
  broken.body.finish()
  expect(codeOf(() => broken.body.json(100))).toBe('invalid_json')
})
