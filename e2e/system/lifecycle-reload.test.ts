/** T1 and F54 with the catalogue's numbers. Needs wrk. */
import { setTimeout as sleep } from 'node:timers/promises'
import { startSimulator } from '@pratu/simulator'
import { expect, test } from 'vitest'
import { writeFileSync, renameSync } from 'node:fs'
import { startHeldStreams } from '../lifecycle/held-streams.ts'
import { ask, chatBody, openStream } from '../lifecycle/load.ts'
import { startPratu } from '../pratu-process.ts'
import { runCommand } from '../run-command.ts'

const RELOADS = 100
const SECONDS = 60
const STREAMS = 100

function configuration(number: number, chat: string, held: string): string {
  return `_format_version: "3.0"
services:
- name: chat
  url: ${chat}/v1/models
  routes:
  - name: chat
    paths: [/chat]
    plugins:
    - name: request-transformer
      config: {add: {headers: ["X-Generation:${number}"]}}
- name: held
  url: ${held}/v1/chat/completions
  routes:
  - name: held
    paths: [/held]
`
}

test('T1 F54 100 reloads in 60 s: none of 64 keep-alive clients fails, none of 100 streams is cut', async () => {
  const simulator = await startSimulator({ record: false })
  await using provider = await startHeldStreams()
  const text = (number: number): string => configuration(number, simulator.url, provider.url)
  const pratu = await startPratu({
    configuration: text(0),
    environment: { PRATU_PROXY_ACCESS_LOG: 'off', PRATU_WORKERS: '2' },
  })
  const { proxyPort: port, adminPort, configurationPath } = pratu
  const streams = Array.from({ length: STREAMS }, () =>
    openStream({ port, path: '/held', body: chatBody({ stream: true }) }),
  )
  await Promise.all(streams.map(({ begun }) => begun))
  const wrk = runCommand([
    'wrk',
    '-t1',
    '-c64',
    `-d${SECONDS}s`,
    '--timeout',
    '10s',
    `http://127.0.0.1:${port}/chat`,
  ])
  for (let number = 1; number <= RELOADS; number++) {
    const next = `${configurationPath}.next`
    writeFileSync(next, text(number))
    renameSync(next, configurationPath)
    pratu.signal('SIGHUP')
    await sleep((SECONDS * 1000) / (RELOADS + 2))
  }
  const { stdout } = await wrk
  expect(stdout).not.toMatch(/Socket errors|Non-2xx/)
  expect(Number(/(\d+) requests in/.exec(stdout)?.[1])).toBeGreaterThan(20_000)
  const status = JSON.parse((await ask({ port: adminPort, path: '/status' })).text) as {
    pratu: { generation: number; workers: { generation: number }[] }
  }
  expect(status.pratu.generation).toBeGreaterThan(RELOADS)
  expect(status.pratu.workers.map(({ generation }) => generation)).toEqual([
    status.pratu.generation,
    status.pratu.generation,
  ])
  expect(provider.open).toBe(STREAMS)
  provider.finish()
  const ended = await Promise.all(streams.map((stream) => stream.ended))
  expect(ended.filter(({ cut, text: body }) => cut || !body.endsWith('data: [DONE]\n\n'))).toEqual(
    [],
  )
  await pratu.stop()
  await simulator.close()
})
