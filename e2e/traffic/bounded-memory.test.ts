import { readFileSync } from 'node:fs'
import { startSimulator, type Simulator } from '@pratu/simulator'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { RawClient } from '../../packages/gateway/src/listener/testing/raw-client.ts'
import { chat } from '../gateway.ts'
import { scrape, sumOf } from '../metrics-text.ts'
import { startPratu, type PratuProcess } from '../pratu-process.ts'
import { rawChat, until } from './support.ts'

const MIB = 1024 * 1024
const STALL_MS = 500
const STREAMS = 8
/** What the collector may let lie about at any moment; without back-pressure the streams would take hundreds of MiB. */
const GARBAGE_BYTES = 48 * MIB

// The real program in a process of its own, so that its memory is its own.
let pratu: PratuProcess
let simulator: Simulator

beforeAll(async () => {
  simulator = await startSimulator()
  pratu = await startPratu({
    configuration: `_format_version: "3.0"
services:
- {name: ai, url: "${simulator.url}/v1/chat/completions", routes: [{paths: [/v1/chat], strip_path: false}]}
- {name: plain, url: "${simulator.url}/v1", routes: [{paths: [/plain]}]}
`,
    environment: { PRATU_WRITE_STALL_TIMEOUT: `${STALL_MS}ms` },
  })
  // What code, pools and the collector need for any traffic is no growth.
  await download('/v1/chat', withFault(chat({ stream: true }), 'endless=500000000,1s'))
})

afterAll(async () => {
  await pratu.stop()
  await simulator.close()
})

const residentBytes = (): number =>
  Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pratu.pid}/status`, 'utf8'))?.[1]) * 1024

function withFault(init: RequestInit, fault: string): RequestInit {
  const headers = new Headers(init.headers)
  headers.set('x-simulator-fault', fault)
  return { ...init, headers }
}

/** How much arrived, and the most that the program held meanwhile. */
async function download(path: string, init: RequestInit): Promise<{ bytes: number; peak: number }> {
  const answer = await fetch(pratu.proxyUrl + path, init)
  let bytes = 0
  let peak = 0
  for await (const chunk of answer.body ?? []) {
    bytes += chunk.length
    if (bytes % (4 * MIB) < chunk.length) peak = Math.max(peak, residentBytes())
  }
  return { bytes, peak }
}

test('F04 readers that stop reading a fast stream: the provider is paused, memory is bounded, and they are ended', async () => {
  simulator.clear()
  const before = residentBytes()
  const clients: RawClient[] = []
  for (let i = 0; i < STREAMS; i++) {
    const client = await RawClient.open(pratu.proxyPort)
    client.socket.pause()
    client.send(rawChat({ stream: true }, { 'x-simulator-fault': 'endless=50000000' }))
    clients.push(client)
  }
  let peak = before
  const stalled = (): number =>
    pratu.log.filter(({ outcome }) => outcome === 'client_stalled').length
  await until(() => {
    peak = Math.max(peak, residentBytes())
    return stalled() === STREAMS
  }, 'every stalled reader ended')
  expect(peak - before).toBeLessThan(STREAMS * MIB + GARBAGE_BYTES)
  for (const request of simulator.requests) {
    const { by, atMs } = await request.closed
    // It was paused for about as long as a reader may stall, and then let go.
    const blockedMs = atMs - (request.timeOf('write-blocked') ?? Number.NaN)
    expect([by, blockedMs > STALL_MS / 2]).toEqual(['client', true])
  }
  const line = pratu.log.find(({ outcome }) => outcome === 'client_stalled')
  expect(line?.['ai']).toMatchObject({ streamed: true, usage: { source: 'estimated' } })
  for (const client of clients) client.destroy()
  const { samples } = await scrape(pratu.adminUrl)
  expect(sumOf(samples, 'pratu_memory_buffer_bytes')).toBe(0)
  const innocent = await fetch(`${pratu.proxyUrl}/v1/chat`, chat({ stream: true }))
  expect((await innocent.text()).endsWith('data: [DONE]\n\n')).toBe(true)
})

test.each([
  ['of a plain service', '/plain/models', {}],
  ['of an AI service', '/v1/chat', chat()],
])('F45b a huge answer %s costs constant memory', async (_what, path, init: RequestInit) => {
  const size = 128 * MIB
  const before = residentBytes()
  const { bytes, peak } = await download(path, withFault(init, `size=${size}`))
  expect(bytes).toBe(size)
  expect(peak - before).toBeLessThan(MIB + GARBAGE_BYTES)
})
