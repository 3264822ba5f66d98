import http from 'node:http'
import zlib from 'node:zlib'
import { afterEach, beforeAll, afterAll, expect, test } from 'vitest'
import { startSimulator } from '../src/index.ts'
import type { Simulator } from '../src/index.ts'
import { call, eventData, jsonAt } from './api-client.ts'
import type { ApiAnswer } from './api-client.ts'
import { chatBody, exchangeRaw, RawClient, rawRequest } from './raw-client.ts'

let simulator: Simulator

beforeAll(async () => {
  simulator = await startSimulator()
})
afterEach(() => simulator.clear())
afterAll(() => simulator.close())

function ask(fault: string, more: object = {}, prompt = 'tokens:10 nonce:f1'): Promise<ApiAnswer> {
  return call(`${simulator.url}/v1/chat/completions`, {
    headers: { 'x-simulator-fault': fault },
    body: chatBody(prompt, more),
  })
}

const streamed = { stream: true, stream_options: { include_usage: true } }
const raw = (fault: string, more: object = {}): ReturnType<typeof exchangeRaw> =>
  exchangeRaw(simulator.port, fault, chatBody('tokens:10 nonce:f1', more))

function bodyOf(text: string): string {
  return text.slice(text.indexOf('\r\n\r\n') + 4)
}

test('a status gets an error body of the wire format and keeps the nonce header', async () => {
  for (const status of [400, 401, 404, 429, 500, 503, 529]) {
    const answer = await call(`${simulator.url}/v1/chat/completions`, {
      headers: { 'x-simulator-fault': `status=${status}`, 'x-simulator-nonce': 'n1' },
      body: chatBody('hi', streamed),
    })
    expect(answer.status).toBe(status)
    expect(answer.headers['content-type']).toBe('application/json')
    expect(answer.headers['x-simulator-nonce']).toBe('n1')
    expect(typeof jsonAt(answer.text, 'error', 'message')).toBe('string')
  }
})

test('F33 429 carries any retry-after and retry-after-ms, as written', async () => {
  for (const value of ['2', 'Wed, 21 Oct 2026 07:28:00 GMT', '0', '-5', '1e9', 'soon']) {
    const answer = await ask(`status=429; retry-after=${value}`)
    expect([answer.status, answer.headers['retry-after']]).toEqual([429, value])
  }
  expect((await ask('status=429; retry-after-ms=50')).headers['retry-after-ms']).toBe('50')
})

test('S17 a redirect: status and header together, the body unchanged', async () => {
  const answer = await ask('status=302; header=location: http://127.0.0.1:1/elsewhere')
  expect(answer.status).toBe(302)
  expect(answer.headers.location).toBe('http://127.0.0.1:1/elsewhere')
})

test('a status without a body has none, and the connection goes on', async () => {
  const { text } = await raw('status=204')
  expect(text).toMatch(/^HTTP\/1\.1 204 No Content\r\n/)
  expect(bodyOf(text)).toBe('')
})

test('delay, latency and pause take their time', async () => {
  const startMs = performance.now()
  await ask('delay=60ms')
  expect(performance.now() - startMs).toBeGreaterThanOrEqual(58)
  const pausedMs = performance.now()
  await ask('pause=after-tokens:2,60ms', streamed)
  expect(performance.now() - pausedMs).toBeGreaterThanOrEqual(58)
})

test('F19 hang sends nothing at all until the client goes', async () => {
  const client = new RawClient(simulator.port)
  client.write(rawRequest({ headers: { 'x-simulator-fault': 'hang' }, body: chatBody('hi') }))
  const request = await simulator.waitForRequest()
  client.close()
  expect(await request.closed).toMatchObject({ by: 'client' })
  expect(request.timeOf('response-start')).toBeUndefined()
})

test('F20 hang=after-headers sends the head of the stream and no event', async () => {
  const client = new RawClient(simulator.port)
  const headers = { 'x-simulator-fault': 'hang=after-headers' }
  client.write(rawRequest({ headers, body: chatBody('hi', streamed) }))
  const text = await client.until((received) => received.includes('\r\n\r\n'))
  expect(text).toMatch(/^HTTP\/1\.1 200 OK/)
  expect(bodyOf(text)).toBe('')
  expect(simulator.openStreams).toBe(1)
  client.close()
  await (
    await simulator.waitForRequest()
  ).closed
  expect(simulator.openStreams).toBe(0)
})

test('F21 hang=after-tokens:3 stalls after exactly three tokens', async () => {
  const client = new RawClient(simulator.port)
  const headers = { 'x-simulator-fault': 'hang=after-tokens:3' }
  client.write(rawRequest({ headers, body: chatBody('tokens:10', streamed) }))
  await client.until((received) => received.split('"content":"').length === 5)
  const request = await simulator.waitForRequest()
  client.close()
  await request.closed
  expect(client.text.split('"content":"')).toHaveLength(5)
})

test('F22 F38 reset cuts the connection: before headers, after them, after tokens, after bytes', async () => {
  const before = await raw('reset')
  expect([before.closed, before.text]).toEqual(['reset', ''])
  for (const place of [
    'after-headers',
    'after-tokens:4',
    'after-bytes:100',
    'half',
    'before-terminal',
  ]) {
    await expect(ask(`reset=${place}`, streamed), place).rejects.toThrow(/ECONNRESET|aborted/)
    await expect(ask(`reset=${place}`), place).rejects.toThrow(/ECONNRESET|aborted/)
  }
})

test('what was written before a reset still reaches the client', async () => {
  const { text, closed } = await raw('reset=after-tokens:4', { stream: true })
  expect(closed).toBe('reset')
  expect(text.split('"content":"')).toHaveLength(6)
})

test('F38 in-headers:1 lets exactly one byte of the answer through', async () => {
  for (const how of ['reset', 'close']) {
    const { text, closed } = await raw(`${how}=in-headers:1`)
    expect([text, closed]).toEqual(['H', how === 'reset' ? 'reset' : 'fin'])
  }
  const late = await raw('pause=in-headers:9,40ms; close=in-headers:12')
  expect(late.text).toBe('HTTP/1.1 200')
})

test('raw bytes break off, too', async () => {
  const bytes = Buffer.from('HTTP/1.1 200 OK\r\n').toString('base64')
  expect((await raw(`raw=${bytes}; reset=in-headers:4`)).text).toBe('HTTP')
})

test('a break that makes no sense before the body closes the connection', async () => {
  simulator.setRules([{ fault: { break: { at: 'before-headers', how: 'end' } } }])
  const client = new RawClient(simulator.port)
  client.write(rawRequest({ body: chatBody('hi') }))
  expect(await client.closed).toBe('fin')
  expect(client.text).toBe('')
  client.close()
})

test('after-bytes:1 lets exactly one byte of the body through', async () => {
  const { text, closed } = await raw('close=after-bytes:1; framing=length')
  expect(bodyOf(text)).toBe('{')
  expect(closed).toBe('fin')
})

test('F23 no-terminal ends the chunked body in order, without [DONE]', async () => {
  const answer = await ask('no-terminal', streamed)
  expect(answer.status).toBe(200)
  expect(answer.text).toContain('"finish_reason":"stop"')
  expect(answer.text).not.toContain('[DONE]')
  const early = await ask('end=after-tokens:2', streamed)
  expect(early.text).not.toContain('"finish_reason":"stop"')
  expect(eventData(early.text)).toHaveLength(3)
})

test('F24 short-body declares the whole length, sends half, and closes', async () => {
  const { text, closed } = await raw('short-body')
  const declared = Number(/content-length: (\d+)/.exec(text)?.[1])
  expect(bodyOf(text).length).toBe(Math.floor(declared / 2))
  expect(closed).toBe('fin')
  await expect(ask('short-body')).rejects.toThrow(/aborted/)
})

test('declared-length lies about the length in both directions', async () => {
  const longer = await raw('declared-length=+10')
  expect(Number(/content-length: (\d+)/.exec(longer.text)?.[1])).toBe(
    bodyOf(longer.text).length + 10,
  )
  const shorter = await raw('declared-length=5')
  expect(shorter.text).toContain('content-length: 5\r\n')
  expect(bodyOf(shorter.text).length).toBeGreaterThan(5)
})

test('F25 extra-bytes puts a second response behind the first', async () => {
  const { text } = await raw('extra-bytes')
  expect(text.split('HTTP/1.1 200 OK\r\n')).toHaveLength(3)
  expect(text).toContain('an answer that nobody asked for')
  expect((await raw('extra-bytes=garbage')).text.endsWith('garbage')).toBe(true)
  expect((await raw('extra-bytes', streamed)).text).toContain('0\r\n\r\nHTTP/1.1 200 OK\r\n')
})

test('F26 garbage instead of a status line, and lines that are no header fields', async () => {
  expect((await raw('garbage')).text).toMatch(/^SSH-2\.0/)
  expect((await raw('status-line=HTTP/9.9 hello')).text).toMatch(/^HTTP\/9\.9 hello\r\n/)
  const lines: Record<string, string> = {
    nul: 'x-bad: nul\0here\r\n',
    cr: 'x-bad: cr\rhere\r\n',
    lf: 'x-bad: lf\nx-smuggled: here\r\n',
    'obs-fold': 'x-bad: folded\r\n here\r\n',
    'no-colon': 'x-bad without a colon\r\n',
    space: 'x bad: space in the name\r\n',
    'empty-name': ': empty name\r\n',
  }
  for (const [kind, line] of Object.entries(lines)) {
    expect((await raw(`bad-header=${kind}`)).text, kind).toContain(line)
  }
})

test('F26 one huge header field, or very many', async () => {
  const huge = await raw('header-bytes=100kb')
  expect(/x-huge: (h+)\r\n/.exec(huge.text)?.[1]?.length).toBe(102_400 - 10)
  const many = await raw('header-count=10000')
  expect(many.text.match(/\r\nx-many-\d+: /g)).toHaveLength(10_000)
})

test('F27 informational responses flood the connection before the answer', async () => {
  const { text } = await raw('informational=103*10000')
  expect(text.match(/HTTP\/1\.1 103 Early Hints\r\n/g)).toHaveLength(10_000)
  expect(text).toMatch(/\r\n\r\nHTTP\/1\.1 200 OK\r\n/)
})

test.each([
  ['gzip', (bytes: Buffer) => zlib.gunzipSync(bytes)],
  ['br', (bytes: Buffer) => zlib.brotliDecompressSync(bytes)],
  ['deflate', (bytes: Buffer) => zlib.inflateSync(bytes)],
  ['zstd', (bytes: Buffer) => zlib.zstdDecompressSync(bytes)],
])(
  'F28 encoding=%s comes without being asked for, complete and streamed',
  async (encoding, decode) => {
    const answer = await ask(`encoding=${encoding}`)
    expect(answer.headers['content-encoding']).toBe(encoding)
    expect(
      String(jsonAt(decode(answer.bytes).toString(), 'choices', 0, 'message', 'content')),
    ).toMatch(/^nonce:f1/)
    const stream = await ask(`encoding=${encoding}`, streamed)
    expect(eventData(decode(stream.bytes).toString()).at(-1)).toBe('[DONE]')
  },
)

test('F28 many layers of encoding, truncated encoding, and a bomb', async () => {
  const layered = await ask('encoding=gzip*3')
  expect(layered.headers['content-encoding']).toBe('gzip, gzip, gzip')
  const inner = zlib.gunzipSync(zlib.gunzipSync(zlib.gunzipSync(layered.bytes)))
  expect(jsonAt(inner.toString(), 'object')).toBe('chat.completion')
  const truncated = await ask('gzip; truncated-encoding')
  expect(() => zlib.gunzipSync(truncated.bytes)).toThrow(/unexpected end/)
  const bomb = await ask('gzip; bomb=4mb')
  expect(bomb.bytes.length).toBeLessThan(8_192)
  expect(zlib.gunzipSync(bomb.bytes).length).toBe(4 * 1_048_576)
})

test('F28 a flushed encoding lets each token be decoded as it comes', async () => {
  const client = new RawClient(simulator.port)
  const headers = { 'x-simulator-fault': 'gzip; hang=after-tokens:2' }
  client.write(rawRequest({ headers, body: chatBody('tokens:10', streamed) }))
  await client.until((text) => text.split('\r\n').length > 20)
  const request = await simulator.waitForRequest()
  client.close()
  await request.closed
  const chunks = bodyOf(client.text)
    .split(/(?:^|\r\n)[0-9a-f]+\r\n/)
    .slice(1)
  const gunzip = zlib.gunzipSync(Buffer.from(chunks.join('').replace(/\r\n$/, ''), 'latin1'), {
    finishFlush: zlib.constants.Z_SYNC_FLUSH,
  })
  expect(eventData(gunzip.toString())).toHaveLength(3)
})

test('F29 segment=1 writes single bytes, and the stream is whole', async () => {
  const plain = await ask('none', streamed)
  simulator.clear()
  const segmented = await ask('segment=1', streamed)
  expect(segmented.text).toBe(plain.text)
})

test('F29 legal but unusual stream framing keeps the data', async () => {
  const texts: Record<string, RegExp> = {
    crlf: /\r\n\r\n/,
    cr: /^data: [^\n]*\r\r/,
    bom: /^\uFEFFdata: /,
    comments: /^: keep-alive 0\n\n/,
    'multi-data': /^data: \{\ndata: "id"/,
    'no-space': /^data:\{/,
    fields: /^id: 0\nretry: 3000\nunknown: field\ndata: /,
  }
  for (const [quirk, pattern] of Object.entries(texts)) {
    expect((await ask(`stream=${quirk}`, streamed)).text, quirk).toMatch(pattern)
  }
  expect((await ask('stream=done-twice', streamed)).text.match(/\[DONE\]/g)).toHaveLength(2)
  const mixed = (await ask('stream=mixed', streamed)).text
  expect(mixed).toContain('\r\n\r\n')
  expect(mixed).toContain('\r\r')
  const all = await ask('stream=comments,multi-data,crlf,bom', streamed)
  expect(all.text).toContain('data: {\r\ndata: ')
})

test('F29 malformed events, a huge event, and a line that never ends', async () => {
  expect((await ask('malformed-event', streamed)).text).toContain('"content":"cut\n\n')
  expect(
    (await ask('malformed-event=utf8', streamed)).bytes.includes(Buffer.from([0xff, 0xfe])),
  ).toBe(true)
  expect((await ask('malformed-event=not-an-event', streamed)).text).toContain(
    'this is not an event\n',
  )
  expect(
    (await ask('malformed-event=unterminated', streamed)).text.endsWith('data: {"choices":[]}'),
  ).toBe(true)
  const huge = await ask('huge-event=1mb', streamed)
  expect(Math.max(...eventData(huge.text).map((data) => data.length))).toBeGreaterThan(1_048_000)
  const endless = await ask('no-newline=1mb', streamed)
  expect(endless.text).toContain('a'.repeat(1_048_576))
})

test('F30 an error event inside a 200 stream, before or after the first token', async () => {
  const first = await ask('error; error-code=overloaded_error', streamed)
  expect(first.status).toBe(200)
  const data = eventData(first.text)
  expect(jsonAt(data.at(-1) ?? '', 'error', 'code')).toBe('overloaded_error')
  expect(first.text).not.toContain('[DONE]')
  expect(data).toHaveLength(2)
  expect(eventData((await ask('error=after-tokens:3', streamed)).text)).toHaveLength(5)
  const whole = await ask('error; error-code=overloaded_error')
  expect([whole.status, jsonAt(whole.text, 'error', 'code')]).toEqual([200, 'overloaded_error'])
})

test('F31 HTML, empty, null, a list, and truncated JSON with status 200', async () => {
  const html = await ask('html')
  expect([html.status, html.headers['content-type']]).toEqual([200, 'text/html; charset=utf-8'])
  expect(html.text).toMatch(/^<!doctype html>/)
  for (const body of ['', 'null', '[]']) {
    const answer = await ask(`body=${body}`, streamed)
    expect([answer.status, answer.text, answer.headers['content-type']]).toEqual([
      200,
      body,
      'application/json',
    ])
  }
  const cut = await ask('invalid-json')
  expect(() => jsonAt(cut.text)).toThrow(SyntaxError)
  const cutStream = await ask('invalid-json', streamed)
  expect(cutStream.text).toContain('[DONE]')
  expect(() => jsonAt(eventData(cutStream.text)[0] ?? '')).toThrow(SyntaxError)
})

test('F32 usage that is missing, null, negative, text, absurd, or late', async () => {
  expect(jsonAt((await ask('usage=missing')).text, 'usage')).toBeUndefined()
  expect(jsonAt((await ask('usage=null')).text, 'usage')).toBeNull()
  expect(jsonAt((await ask('usage=negative')).text, 'usage', 'completion_tokens')).toBe(-10)
  expect(typeof jsonAt((await ask('usage=string')).text, 'usage', 'prompt_tokens')).toBe('string')
  expect(jsonAt((await ask('usage=huge')).text, 'usage', 'total_tokens')).toBe(2e18)
  expect((await ask('usage=missing', streamed)).text).not.toContain('"prompt_tokens"')
  const late = eventData((await ask('usage=after-done', streamed)).text)
  expect(late.at(-2)).toBe('[DONE]')
  expect(jsonAt(late.at(-1) ?? '', 'usage', 'completion_tokens')).toBe(10)
})

test('F39 close-on-reuse closes the connection when the next request comes, without a byte', async () => {
  for (const [fault, how] of [
    ['close-on-reuse', 'reset'],
    ['close-on-reuse=fin', 'fin'],
  ] as const) {
    simulator.clear()
    const client = new RawClient(simulator.port)
    client.write(rawRequest({ headers: { 'x-simulator-fault': fault }, body: chatBody('one') }))
    await client.until((text) => text.includes('finish_reason'))
    const before = client.text
    client.write(rawRequest({ body: chatBody('two') }))
    expect(await client.closed).toBe(how)
    expect(client.text).toBe(before)
    client.close()
    const [, second] = simulator.requests
    expect(second).toMatchObject({ connectionRequests: 1, status: undefined })
    expect((await second?.closed)?.by).toBe('server')
  }
})

test('F39 F40 idle-close, connection: close, and closing without a word', async () => {
  for (const fault of ['idle-close=30ms', 'connection=close', 'connection=silent']) {
    const client = new RawClient(simulator.port)
    client.write(rawRequest({ headers: { 'x-simulator-fault': fault }, body: chatBody('one') }))
    expect(await client.closed).toBe('fin')
    expect(client.text.includes('connection: close')).toBe(fault === 'connection=close')
    expect(client.text.endsWith('}')).toBe(true)
    client.close()
  }
})

test('F45b size sends so many bytes without holding them', async () => {
  const answer = await ask('size=3mb')
  expect(answer.bytes.length).toBe(3 * 1_048_576)
  expect(answer.headers['content-length']).toBe(`${3 * 1_048_576}`)
  expect(String(jsonAt(answer.text)).length).toBe(3 * 1_048_576 - 2)
})

test('F04 endless output: when the reader stops, write() returns false; when it reads on, it drains', async () => {
  const client = new RawClient(simulator.port)
  // Faster than the catalogue's 10 MB/s: the kernel's buffers hold some megabytes, which must fill first.
  const headers = { 'x-simulator-fault': 'endless=100mb' }
  client.write(rawRequest({ headers, body: chatBody('hi', streamed) }))
  await client.until((text) => text.length > 100_000)
  const request = await simulator.waitForRequest()
  client.socket.pause()
  const last = (): string | undefined => request.events.at(-1)?.type
  await expect.poll(last, { timeout: 5_000, interval: 50 }).toBe('write-blocked')
  const blockedMs = request.events.at(-1)?.atMs ?? 0
  client.socket.resume()
  const drained = (): boolean =>
    request.events.some(({ type, atMs }) => type === 'drained' && atMs > blockedMs)
  await expect.poll(drained, { timeout: 5_000, interval: 5 }).toBe(true)
  client.close()
  expect((await request.closed).by).toBe('client')
})

test('endless output keeps its rate and ends when its time is over', async () => {
  const startMs = performance.now()
  const answer = await ask('endless=2mb,200ms', streamed)
  const elapsedMs = performance.now() - startMs
  expect(elapsedMs).toBeGreaterThanOrEqual(195)
  expect(answer.bytes.length).toBeGreaterThan(200_000)
  expect(answer.bytes.length).toBeLessThan(1_000_000)
  expect(eventData(answer.text).at(-1)).toBe('[DONE]')
  const json = await ask('endless=1mb,50ms')
  expect(jsonAt(json.text, 'object')).toBe('chat.completion')
})

test('early answers at the head, while the body is still being sent', async () => {
  const client = new RawClient(simulator.port)
  const headers = { host: 's', 'x-simulator-fault': 'early; status=413', 'content-length': '1000' }
  const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  client.write(`POST /v1/chat/completions HTTP/1.1\r\n${head.join('')}\r\nfirst`)
  await client.until((text) => text.includes('"error"'))
  expect(client.text).toMatch(/^HTTP\/1\.1 413 /)
  client.write('x'.repeat(995))
  client.write(rawRequest({ method: 'GET', path: '/v1/models', headers: { connection: 'close' } }))
  expect(await client.closed).toBe('fin')
  expect(client.text).toContain('"object":"list"')
  client.close()
})

test('no-read leaves the body in the client; after its time it reads on', async () => {
  const client = new RawClient(simulator.port)
  const body = chatBody('x'.repeat(200_000))
  client.write(
    rawRequest({ headers: { 'x-simulator-fault': 'no-read=80ms', connection: 'close' }, body }),
  )
  const startMs = performance.now()
  expect(await client.closed).toBe('fin')
  expect(performance.now() - startMs).toBeGreaterThanOrEqual(75)
  expect(client.text).toContain('"finish_reason":"stop"')
  client.close()
})

test('raw bytes replace the whole answer', async () => {
  const bytes = 'HTTP/1.1 299 Odd\r\nx: y\r\n\r\nanything'
  const { text, closed } = await raw(`raw=${Buffer.from(bytes).toString('base64')}`)
  expect([text, closed]).toEqual([bytes, 'fin'])
})

test('framing decides how the end of the body is told', async () => {
  expect((await raw('framing=chunked')).text).toMatch(/transfer-encoding: chunked[\s\S]*0\r\n\r\n$/)
  expect((await raw('framing=length', streamed)).text).toMatch(/content-length: \d+/)
  const close = await raw('framing=close')
  expect(close.text).not.toMatch(/content-length|transfer-encoding/)
  expect(close.closed).toBe('fin')
})

test('attempts=2 hits the first two attempts of the same request only', async () => {
  const statuses = async (nonce: string): Promise<number> =>
    (
      await call(`${simulator.url}/v1/chat/completions`, {
        headers: { 'x-simulator-fault': 'status=503; attempts=2', 'x-simulator-nonce': nonce },
        body: chatBody('hi'),
      })
    ).status
  expect([
    await statuses('a'),
    await statuses('b'),
    await statuses('a'),
    await statuses('a'),
    await statuses('b'),
  ]).toEqual([503, 503, 503, 200, 503])
  expect(
    [await ask('status=500; attempts=1'), await ask('status=500; attempts=1')].map(
      (answer) => answer.status,
    ),
  ).toEqual([500, 200])
})

test('a fault that makes no sense is a 400 that says what is allowed', async () => {
  for (const [fault, message] of [
    ['statsu=503', /"statsu" is unknown; known are .*status/],
    ['reset=somewhere', /no place in an answer/],
    ['status', /status needs a value/],
    ['{"status": [', /not JSON/],
  ] as const) {
    const answer = await ask(fault)
    expect(answer.status).toBe(400)
    expect(String(jsonAt(answer.text, 'error', 'message'))).toMatch(message)
  }
})

test('JSON faults say what the compact form cannot', async () => {
  const answer = await ask(
    JSON.stringify({ status: 418, body: 'a; b', header: ['x-a: 1', 'x-b: 2'] }),
  )
  expect([answer.status, answer.text, answer.headers['x-a'], answer.headers['x-b']]).toEqual([
    418,
    'a; b',
    '1',
    '2',
  ])
})

test('after a fault the connection serves good answers again', async () => {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
  const url = `${simulator.url}/v1/chat/completions`
  for (const fault of ['status=503', 'gzip', 'segment=50', 'no-terminal', 'usage=null', 'none']) {
    await call(url, {
      agent,
      headers: { 'x-simulator-fault': fault },
      body: chatBody('hi', streamed),
    })
  }
  expect(new Set(simulator.requests.map((request) => request.connection)).size).toBe(1)
  agent.destroy()
})

test('rules choose by path, model, header and turn; the header of a request wins over them', async () => {
  simulator.setRules([
    { match: { path: '/v1/embeddings' }, fault: 'status=500' },
    { match: { model: 'gpt-4*', nth: 2 }, fault: { status: 502 } },
    { match: { headers: { 'X-Team': 'red' } }, fault: 'status=429; retry-after=1' },
  ])
  const status = async (model: string, headers: Record<string, string> = {}): Promise<number> =>
    (
      await call(`${simulator.url}/v1/chat/completions`, {
        headers,
        body: chatBody('hi', { model }),
      })
    ).status
  expect([
    await status('gpt-4.1'),
    await status('gpt-4.1'),
    await status('gpt-4o'),
    await status('o3'),
  ]).toEqual([200, 502, 200, 200])
  expect(await status('o3', { 'x-team': 'red' })).toBe(429)
  expect(await status('o3', { 'x-team': 'red', 'x-simulator-fault': 'none' })).toBe(200)
  const embedding = await call(`${simulator.url}/v1/embeddings`, {
    body: '{"model":"e","input":"x"}',
  })
  expect(embedding.status).toBe(500)
})

test('F35 a probability hits its share of requests, the same ones after clear()', async () => {
  const own = await startSimulator({
    seed: 3,
    rules: [{ match: { probability: 0.3 }, fault: 'status=503' }],
  })
  const run = async (): Promise<number[]> => {
    const statuses: number[] = []
    for (let i = 0; i < 200; i += 1) {
      statuses.push(
        (await call(`${own.url}/v1/chat/completions`, { body: chatBody(`${i}`) })).status,
      )
    }
    return statuses
  }
  const first = await run()
  const failed = first.filter((status) => status === 503).length
  expect(failed).toBeGreaterThan(40)
  expect(failed).toBeLessThan(80)
  own.clear()
  expect(await run()).toEqual(first)
  await own.close()
})

test('early rules answer before the body, others after it', async () => {
  simulator.setRules([{ match: { path: '/v1/chat/*' }, fault: 'early; status=401' }])
  const client = new RawClient(simulator.port)
  client.write('POST /v1/chat/completions HTTP/1.1\r\nhost: s\r\ncontent-length: 10\r\n\r\n')
  expect(await client.until((text) => text.includes('"error"'))).toMatch(/^HTTP\/1\.1 401 /)
  client.close()
  expect((await call(`${simulator.url}/v1/models`)).status).toBe(200)
})
