import { expect, test } from 'vitest'
import { startSimulator } from '../src/index.ts'
import { call, jsonAt } from './api-client.ts'
import { chatBody, RawClient, rawRequest } from './raw-client.ts'

test('a stream starts after the latency and keeps its tokens per second', async () => {
  const simulator = await startSimulator({ latency: 60, tokensPerSecond: 100 })
  const client = new RawClient(simulator.port)
  const startMs = performance.now()
  client.write(
    rawRequest({ headers: { connection: 'close' }, body: chatBody('tokens:20', { stream: true }) }),
  )
  await client.until((text) => text.includes('"role":"assistant"'))
  const firstMs = performance.now() - startMs
  await client.closed
  const wholeMs = performance.now() - startMs
  expect(firstMs).toBeGreaterThanOrEqual(58)
  expect(wholeMs - firstMs).toBeGreaterThanOrEqual(180)
  expect(client.text).toContain('[DONE]')
  client.close()
  await simulator.close()
})

test('the pace decides nothing but streams; a complete answer takes its latency', async () => {
  const simulator = await startSimulator({ latency: 'uniform:30ms-40ms', tokensPerSecond: 1 })
  const startMs = performance.now()
  const answer = await call(`${simulator.url}/v1/chat/completions`, { body: chatBody('tokens:30') })
  expect(performance.now() - startMs).toBeGreaterThanOrEqual(29)
  expect(jsonAt(answer.text, 'usage', 'completion_tokens')).toBe(30)
  expect(Number(answer.headers['openai-processing-ms'])).toBeGreaterThanOrEqual(30)
  await simulator.close()
})

test('faults keep the pace, too, and may change it', async () => {
  const simulator = await startSimulator({ tokensPerSecond: 100 })
  const timed = async (fault: string): Promise<number> => {
    const startMs = performance.now()
    await call(`${simulator.url}/v1/chat/completions`, {
      headers: { 'x-simulator-fault': fault },
      body: chatBody('tokens:11', { stream: true }),
    })
    return performance.now() - startMs
  }
  const slowMs = await timed('usage=null')
  expect(slowMs).toBeGreaterThanOrEqual(95)
  expect(await timed('tokens-per-second=100000')).toBeLessThan(slowMs)
  await simulator.close()
})

test('a stream that its client reads slowly waits for it, and arrives whole', async () => {
  const simulator = await startSimulator()
  const client = new RawClient(simulator.port)
  client.socket.pause()
  client.write(
    rawRequest({
      headers: { connection: 'close' },
      body: chatBody('tokens:60000', { stream: true }),
    }),
  )
  const request = await simulator.waitForRequest()
  await expect
    .poll(() => request.timeOf('write-blocked'), { timeout: 5_000, interval: 10 })
    .toBeDefined()
  client.socket.resume()
  expect(await client.closed).toBe('fin')
  expect(client.text.endsWith('data: [DONE]\n\n\r\n0\r\n\r\n')).toBe(true)
  expect(request.timeOf('drained')).toBeDefined()
  client.close()
  await simulator.close()
})
