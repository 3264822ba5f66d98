import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startSimulator } from '@pratu/simulator'
import { describe, expect, test } from 'vitest'
import { startPratu } from '../pratu-process.ts'
import { createConfigurationFile } from './configuration-file.ts'
import { ask, chatBody, openStream, startLoad } from './load.ts'

const PROBE = fileURLToPath(new URL('./lifecycle-probe.ts', import.meta.url))
const BIN = fileURLToPath(new URL('../../packages/gateway/bin/pratu.js', import.meta.url))

function configuration(upstream: string): string {
  return `_format_version: "3.0"
services:
- name: chat
  url: ${upstream}/v1/chat/completions
  routes:
  - name: chat
    paths: [/v1/chat/completions]
    plugins: [{name: lifecycle-probe}]
- name: s
  url: http://127.0.0.1:9
  routes:
  - name: answered
    paths: [/answered]
    plugins:
    - name: request-termination
      config: {status_code: 200, message: fine}
`
}

describe('F51 a defect that nobody caught', () => {
  test.each([
    ['thrown in a timer', 'throw'],
    ['a rejected promise', 'reject'],
  ])('%s: its request gets 500, streams finish, the process ends with 1', async (_name, harm) => {
    const simulator = await startSimulator({ tokensPerSecond: 40, completionTokens: 40 })
    const pratu = await startPratu({
      configuration: configuration(simulator.url),
      environment: { PRATU_PLUGIN_MODULES: PROBE, PRATU_PROXY_ACCESS_LOG: 'off' },
    })
    const { proxyPort: port } = pratu
    const stream = openStream({
      port,
      path: '/v1/chat/completions',
      body: chatBody({ stream: true }),
    })
    await stream.begun
    const harmed = await ask({
      port,
      path: '/v1/chat/completions',
      body: chatBody(),
      headers: { 'x-harm': harm, 'x-hold': '5000' },
    })
    expect(harmed.status).toBe(500)
    const { text, cut } = await stream.ended
    expect([cut, text.endsWith('data: [DONE]\n\n')]).toEqual([false, true])
    expect(await pratu.exited).toEqual({ code: 1, signal: null })
    const fatal = pratu.log.filter(({ level }) => level === 'fatal')
    expect(fatal).toHaveLength(1)
    expect(fatal[0]?.['request_id']).toBe(harmed.headers['x-kong-request-id'])
    expect(JSON.stringify(fatal[0])).toContain('harm: ')
    await pratu.stop()
    await simulator.close()
  })
})

test('F58 a stopped reader of standard output holds up no request, and the exit by 500 ms at most', async () => {
  using file = createConfigurationFile(configuration('http://127.0.0.1:9'))
  const log = join(file.folder, 'error.log')
  writeFileSync(log, '')
  const child = spawn(process.execPath, [BIN, 'start', '--config', file.path], {
    // Nobody reads standard output: its pipe fills up and stays full.
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {
      PATH: process.env['PATH'] ?? '',
      PRATU_PROXY_LISTEN: '127.0.0.1:0',
      PRATU_ADMIN_LISTEN: '127.0.0.1:0',
      PRATU_PLUGIN_MODULES: PROBE,
      PRATU_ERROR_LOG: log,
      PRATU_DRAIN_MINIMUM: '0',
    },
  })
  const exited = once(child, 'exit')
  const { proxy, admin } = await listening(log)
  const load = startLoad({
    port: proxy,
    path: `/answered?padding=${'x'.repeat(6000)}`,
    clients: 8,
    timeoutMs: 5000,
  })
  const dropped = async (): Promise<number> => {
    const { text } = await ask({ port: admin, path: '/metrics' })
    return Number(/^pratu_log_dropped_total\{.*stdout.*\} (\d+)$/m.exec(text)?.[1] ?? 0)
  }
  await expect.poll(dropped, { timeout: 10_000 }).toBeGreaterThan(100)
  const { failures } = await load.stop()
  expect(failures).toEqual([])
  const startedAt = performance.now()
  child.kill('SIGTERM')
  expect(await exited).toEqual([0, null])
  expect(performance.now() - startedAt).toBeLessThan(1500)
})

interface Ports {
  readonly proxy: number
  readonly admin: number
}

async function listening(log: string): Promise<Ports> {
  let found: { proxy: string[]; admin: string[] } | undefined
  await expect
    .poll(
      async () => {
        const line = (await readFile(log, 'utf8'))
          .split('\n')
          .find((one) => one.includes('"listening"'))
        found =
          line === undefined
            ? undefined
            : (JSON.parse(line) as { proxy: string[]; admin: string[] })
        return found !== undefined
      },
      { timeout: 10_000 },
    )
    .toBe(true)
  const portOf = (addresses: readonly string[] | undefined): number =>
    Number(addresses?.[0]?.split(':').at(-1))
  return { proxy: portOf(found?.proxy), admin: portOf(found?.admin) }
}
