import { parseFault, startSimulator, type Simulator } from '@pratu/simulator'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { fetchTransport, PratuClient, TruncatedError, type PratuClientOptions } from '../node.ts'
import { chunk, givenServer, HELLO } from '../testing/given-server.ts'
import { recordingClock } from '../testing/recording-clock.ts'

let simulator: Simulator

beforeAll(async () => {
  simulator = await startSimulator()
})
afterAll(() => simulator.close())
beforeEach(() => simulator.clear())

const fault = (text: string): { readonly headers: Record<string, string> } => ({
  headers: { 'x-simulator-fault': text },
})

const KINDS: Readonly<Record<string, Partial<PratuClientOptions>>> = {
  'Node (undici)': {},
  'the web (fetch)': { transport: fetchTransport() },
}

describe.each(Object.entries(KINDS))('through %s', (_name, options) => {
  const given = (more: PratuClientOptions = {}): PratuClient =>
    new PratuClient({ gatewayUrl: simulator.url, ...options, ...more })

  test('chunks, text and the final message say what the same request is answered with at once', async () => {
    await using client = given()
    const whole = await client.chatCompletion(HELLO)
    const expected = whole.choices[0]?.message.content

    const stream = client.stream(HELLO)
    const pieces: string[] = []
    for await (const { choices } of stream) pieces.push(choices[0]?.delta.content ?? '')
    expect(pieces.join('')).toBe(expected)
    expect(pieces.length).toBeGreaterThan(10)
    const completion = await stream.finalCompletion()
    expect(completion).toMatchObject({
      object: 'chat.completion',
      model: whole.model,
      usage: whole.usage,
      choices: [
        { index: 0, finish_reason: 'stop', message: { role: 'assistant', content: expected } },
      ],
    })

    let text = ''
    for await (const piece of client.stream(HELLO).text()) text += piece
    expect(text).toBe(expected)
    expect((await client.stream(HELLO).finalMessage()).content).toBe(expected)
    expect(await client.stream(HELLO).finalText()).toBe(expected)
    expect(client.usage).toMatchObject({
      calls: 5,
      totalTokens: 5 * (whole.usage?.total_tokens ?? 0),
    })
  })

  test('the chunk with the usage is shown to who asked for it', async () => {
    await using client = given()
    const empty = async (include_usage?: boolean): Promise<number> => {
      let count = 0
      const stream_options =
        include_usage === undefined ? {} : { stream_options: { include_usage } }
      for await (const { choices } of client.stream({ ...HELLO, ...stream_options }))
        if (choices.length === 0) count++
      return count
    }
    expect([await empty(), await empty(true), await empty(false)]).toEqual([0, 1, 0])
  })

  test('tool calls are put together by index', async () => {
    await using client = given()
    const tools = ['weather', 'time'].map((name) => ({
      type: 'function' as const,
      function: {
        name,
        parameters: {
          type: 'object',
          properties: { city: { type: 'string' } },
          required: ['city'],
        },
      },
    }))
    const request = { ...HELLO, tools, tool_choice: 'required' as const, n: 2 }
    const { choices } = await client.stream(request).finalCompletion()
    const whole = await client.chatCompletion(request)
    expect(choices.map(({ message }) => message.tool_calls?.map(({ type }) => type))).toEqual(
      whole.choices.map(({ message }) => message.tool_calls?.map(({ type }) => type)),
    )
    const [call] = choices[0]?.message.tool_calls ?? []
    expect(call?.type === 'function' && JSON.parse(call.function.arguments)).toHaveProperty('city')
  })

  test.each([
    ['F23 a clean end without the terminal event', 'no-terminal'],
    ['F23 a clean end in the middle', 'end=after-tokens:5'],
    ['F22 a reset in the middle', 'reset=after-tokens:5'],
    ['F22 a closed connection in the middle', 'close=after-tokens:5'],
    ['an error event in the middle', 'error=after-tokens:5'],
  ])('%s throws, with what had arrived, and is never tried again', async (_case, text) => {
    await using client = given({ clock: recordingClock() })
    const stream = client.stream(HELLO, fault(text))
    const pieces: string[] = []
    const read = (async () => {
      for await (const piece of stream.text()) pieces.push(piece)
    })()
    const error: unknown = await read.catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(TruncatedError)
    expect(error).toMatchObject({ kind: 'truncated', attempts: 1 })
    expect(pieces.length).toBeGreaterThanOrEqual(5)
    const partial = error instanceof TruncatedError ? error.partial : undefined
    expect(partial?.choices[0]?.message.content).toBe(pieces.join(''))
    await expect(stream.finalMessage()).rejects.toBe(error)
    expect(simulator.requests).toHaveLength(1)
    expect(client.usage).toMatchObject({ calls: 0, failedCalls: 1 })
  })

  test.each([
    'status=503',
    'reset=before-headers',
    'reset=after-headers',
    'error=after-tokens:0',
    'end=after-headers',
  ])('until the first token a failed attempt is tried again: %s', async (text) => {
    simulator.setRules([{ match: { nth: 1 }, fault: parseFault(text) }])
    const clock = recordingClock()
    await using client = given({ clock })
    const stream = client.stream(HELLO)
    expect(await stream.finalText()).not.toBe('')
    expect([stream.meta?.attempts, clock.pauses.length]).toEqual([2, 1])
    expect(client.usage).toMatchObject({ calls: 1, retries: 1, failedCalls: 0 })
  })

  test('silence in the middle is a timeout error with what had arrived', async () => {
    await using client = given({ timeout: 200 })
    const stream = client.stream(HELLO, fault('hang=after-tokens:3'))
    await expect(stream.finalMessage()).rejects.toMatchObject({
      kind: 'timeout',
      phase: 'stream',
      attempts: 1,
      partial: { object: 'chat.completion' },
    })
  })

  test('a slow reader is not taken for a slow gateway', async () => {
    await using client = given({ timeout: 150 })
    let count = 0
    for await (const _ of client.stream(HELLO)) {
      if (count++ < 2) await new Promise((resolve) => setTimeout(resolve, 200))
    }
    expect(count).toBeGreaterThan(10)
  })

  test('abort ends the stream and the request behind it', async () => {
    await using client = given()
    const stream = client.stream(HELLO, fault('hang=after-tokens:3'))
    const read = (async () => {
      for await (const _ of stream) stream.abort(new Error('enough'))
    })()
    await expect(read).rejects.toMatchObject({ kind: 'cancelled' })
    await expect(stream.finalMessage()).rejects.toMatchObject({ kind: 'cancelled' })
    const request = await simulator.waitForRequest()
    expect(await request.closed).toMatchObject({ by: 'client' })
  })

  test('leaving the loop ends the request; its end is told to who waits for it', async () => {
    await using client = given()
    const stream = client.stream(HELLO, fault('hang=after-tokens:3'))
    for await (const _ of stream) break
    await expect(stream.finalText()).rejects.toMatchObject({ kind: 'cancelled' })
    expect(await (await simulator.waitForRequest()).closed).toMatchObject({ by: 'client' })
    expect(() => stream[Symbol.asyncIterator]()).toThrow('read once')
  })

  test("the caller's signal ends it too", async () => {
    await using client = given()
    const abort = new AbortController()
    const { headers } = fault('hang=before-headers')
    const end = client.stream(HELLO, { headers, signal: abort.signal }).finalText()
    await simulator.waitForRequest()
    abort.abort()
    await expect(end).rejects.toMatchObject({ kind: 'cancelled', attempts: 1 })
  })
})

test('connections are used again after complete streams', async () => {
  await using client = new PratuClient({ gatewayUrl: simulator.url })
  for (let i = 0; i < 8; i++) await client.stream(HELLO).finalText()
  // The framing of one stream may end while the next one begins.
  expect(new Set(simulator.requests.map(({ connection }) => connection)).size).toBeLessThan(3)
})

test('heartbeats count as life; what follows the terminal event is not waited for', async () => {
  await using server = await givenServer(async (response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    for (let i = 0; i < 6; i++) {
      response.write(': ping\n\n')
      await new Promise((resolve) => setTimeout(resolve, 60))
    }
    response.write(chunk({ role: 'assistant', content: '' }) + chunk({ content: 'late' }))
    response.write(`${chunk({}, 'stop')}data: [DONE]\n\n`)
  })
  await using client = new PratuClient({ gatewayUrl: server.url, timeout: 250, maxRetries: 0 })
  const stream = client.stream(HELLO)
  const startedAt = performance.now()
  expect(await stream.finalText()).toBe('late')
  expect(performance.now() - startedAt).toBeLessThan(1_000)
})
