/** F59: the wall clock jumps under a running gateway; libfaketime moves it, the monotonic clock stays. */
import { existsSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { startSimulator } from '@pratu/simulator'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { chat } from '../gateway.ts'
import { aMinuteWithRoomFor } from '../minute.ts'
import { startPratu } from '../pratu-process.ts'

const Line = z.object({
  latencies: z.object({ request: z.number(), kong: z.number(), receive: z.number() }),
})

/** Debian keeps it in a folder of the machine's architecture. */
function faketimeLibrary(): string {
  const found = readdirSync('/usr/lib')
    .map((name) => `/usr/lib/${name}/faketime/libfaketimeMT.so.1`)
    .find((path) => existsSync(path))
  if (found === undefined) throw new Error('libfaketime is not installed')
  return found
}

test('F59 jumps of an hour, a week and a second: no limit resets early or sticks, nothing is negative or immortal', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'pratu-clock-'))
  const clock = join(folder, 'clock')
  writeFileSync(clock, '+0\n')
  const simulator = await startSimulator({ tokensPerSecond: 10 })
  const service = (name: string, plugins: string): string => `- name: ${name}
  url: ${simulator.url}/v1/chat/completions
  routes: [{name: ${name}, paths: [/${name}]}]
  plugins:
${plugins}
`
  const pratu = await startPratu({
    configuration: `_format_version: "3.0"
services:
${service('minute', '  - {name: rate-limiting, config: {minute: 10, policy: local}}')}
${service('second', '  - {name: rate-limiting, config: {second: 1, policy: local}}')}
${service('cached', '  - {name: proxy-cache, config: {strategy: memory, request_method: [POST], content_type: [application/json], cache_ttl: 12}}')}
${service('plain', '  - {name: correlation-id}')}
`,
    environment: {
      LD_PRELOAD: faketimeLibrary(),
      FAKETIME_TIMESTAMP_FILE: clock,
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      FAKETIME_CACHE_DURATION: '1',
    },
  })
  const ask = async (route: string, body = {}): Promise<Response> => {
    const answer = await fetch(`${pratu.proxyUrl}/${route}`, chat(body))
    await answer.clone().arrayBuffer()
    return answer
  }
  /** Moves the gateway's wall clock, and waits until its answers carry the new date. */
  const setClock = async (seconds: number): Promise<void> => {
    writeFileSync(`${clock}.new`, `${seconds >= 0 ? '+' : ''}${seconds}\n`)
    renameSync(`${clock}.new`, clock)
    const deadline = performance.now() + 10_000
    // The library looks at the file once a second; a jump of one second does not show in a date.
    await sleep(2_100)
    for (;;) {
      const health = await fetch(`${pratu.proxyUrl}/health`)
      const date = Date.parse(health.headers.get('date') ?? '')
      await health.arrayBuffer()
      if (Math.abs(date - (Date.now() + seconds * 1_000)) < 2_500) return
      if (performance.now() > deadline)
        throw new Error(`the clock shows ${new Date(date).toISOString()}`)
      await sleep(100)
    }
  }
  try {
    await aMinuteWithRoomFor(45_000)
    expect((await ask('minute')).headers.get('x-ratelimit-remaining-minute')).toBe('9')
    let remaining = 9
    for (const seconds of [3_600, -3_600, 604_800, 0, -1]) {
      const stream = fetch(`${pratu.proxyUrl}/plain`, chat({ stream: true }))
      await setClock(seconds)
      const counted = await ask('minute')
      remaining--
      expect([counted.status, counted.headers.get('x-ratelimit-remaining-minute')]).toEqual([
        200,
        String(remaining),
      ])
      expect(Number(counted.headers.get('ratelimit-reset'))).toBeGreaterThanOrEqual(1)
      expect(Number(counted.headers.get('ratelimit-reset'))).toBeLessThanOrEqual(60)

      // A limit of one a second refuses, and admits again in a moment: it is not stuck for an hour.
      const statuses: number[] = []
      for (let i = 0; i < 25; i++) {
        statuses.push((await ask('second')).status)
        await sleep(100)
      }
      expect(statuses.filter((status) => status === 200).length).toBeGreaterThanOrEqual(2)
      expect(statuses.filter((status) => status === 200).length).toBeLessThanOrEqual(4)
      expect((await (await stream).text()).endsWith('data: [DONE]\n\n')).toBe(true)
    }

    // What is cached under one clock lives as long as it should under another.
    expect((await ask('cached')).headers.get('x-cache-status')).toBe('Miss')
    await setClock(-3_600)
    expect((await ask('cached')).headers.get('x-cache-status')).toBe('Hit')
    await sleep(12_100)
    expect((await ask('cached')).headers.get('x-cache-status')).not.toBe('Hit')

    const lines = pratu.log.flatMap((line) => Line.safeParse(line).data ?? [])
    expect(lines.length).toBeGreaterThan(50)
    for (const { latencies } of lines) {
      expect(Math.min(latencies.request, latencies.kong, latencies.receive)).toBeGreaterThanOrEqual(
        0,
      )
      expect(latencies.request).toBeLessThan(15_000)
    }
  } finally {
    await pratu.stop()
    await simulator.close()
    rmSync(folder, { recursive: true })
  }
}, 150_000)
