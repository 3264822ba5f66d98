import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { givenGateway } from '../gateway.ts'
import { createConfigurationFile } from './configuration-file.ts'
import { startEcho, type Echo } from './echo.ts'
import { startHeldStreams } from './held-streams.ts'
import { probeCounts } from './lifecycle-probe.ts'
import { ask, chatBody, openStream, startLoad, type Answer } from './load.ts'

const PROBE = fileURLToPath(new URL('./lifecycle-probe.ts', import.meta.url))

/** Every part of a request's treatment carries the generation: the service, a plugin of the route, a global plugin. */
function generation(number: number, echoUrl: string, streamUrl = echoUrl): string {
  return `
_format_version: "3.0"
services:
- name: echo
  url: ${echoUrl}/generation-${number}
  routes:
  - name: echo
    paths: [/echo]
    plugins:
    - name: request-transformer
      config: {add: {headers: ["X-Route-Generation:${number}"]}}
- name: chat
  url: ${streamUrl}/v1/chat/completions
  routes:
  - name: chat
    paths: [/v1/chat/completions]
    plugins:
    - name: lifecycle-probe
plugins:
- name: correlation-id
  config: {header_name: X-Global-Generation-${number}}
`
}

/** @returns what shows that a request saw more than one generation. */
function judgeGeneration({ status, text }: Answer): string | undefined {
  if (status !== 200) return `${status}: ${text}`
  const { path, headers } = JSON.parse(text) as Echo
  const service = /generation-(\d+)/.exec(path)?.[1]
  const route = headers['x-route-generation']
  const globals = Object.keys(headers)
    .flatMap((name) => /^x-global-generation-(\d+)$/.exec(name)?.[1] ?? [])
    .join()
  return service === route && route === globals
    ? undefined
    : `${service} ${String(route)} ${globals}`
}

test('F54 T1 reloads under load fail no request, cut no stream and mix no generations', async () => {
  await using echo = await startEcho()
  await using provider = await startHeldStreams()
  using file = createConfigurationFile(generation(0, echo.url, provider.url))
  await using given = await givenGateway({
    configuration: '',
    environment: { PRATU_CONFIG: file.path, PRATU_PLUGIN_MODULES: PROBE },
  })
  const { created, disposed } = probeCounts()
  const { port } = given
  const streams = Array.from({ length: 20 }, () =>
    openStream({ port, path: '/v1/chat/completions', body: chatBody({ stream: true }) }),
  )
  await Promise.all(streams.map(({ begun }) => begun))
  const load = startLoad({
    port,
    path: '/echo',
    body: '{"some":"body"}',
    clients: 16,
    judge: judgeGeneration,
  })
  for (let number = 1; number <= 40; number++) {
    file.replace(generation(number, echo.url, provider.url))
    await given.gateway.reload('signal')
    await expect.poll(() => load.requests, { interval: 5 }).toBeGreaterThan(number * 16)
  }
  const { failures } = await load.stop()
  expect(failures).toEqual([])
  // The first generation still has its streams, the newest serves; all between are gone.
  expect(probeCounts().created - created).toBe(40)
  expect(probeCounts().disposed - disposed).toBe(39)
  provider.finish()
  const ended = await Promise.all(streams.map((stream) => stream.ended))
  expect(ended.filter(({ cut, text }) => cut || !text.endsWith('data: [DONE]\n\n'))).toEqual([])
  await expect.poll(() => probeCounts().disposed - disposed).toBe(40)
  const last = await ask({ port, path: '/echo' })
  expect((JSON.parse(last.text) as Echo).headers['x-route-generation']).toBe('40')
})

test('F54 the heap stays flat over many reloads', async () => {
  setFlagsFromString('--expose-gc')
  const collect: unknown = runInNewContext('gc')
  const live = async (): Promise<number> => {
    for (let i = 0; i < 3; i++) {
      if (typeof collect === 'function') collect()
      await sleep(10)
    }
    return process.memoryUsage().heapUsed
  }
  using file = createConfigurationFile(generation(0, 'http://127.0.0.1:9'))
  await using given = await givenGateway({
    configuration: '',
    environment: { PRATU_CONFIG: file.path, PRATU_PLUGIN_MODULES: PROBE },
  })
  const reload = async (from: number, to: number): Promise<void> => {
    for (let number = from; number < to; number++) {
      file.replace(generation(number % 10, 'http://127.0.0.1:9'))
      await given.gateway.reload('signal')
    }
  }
  await reload(1, 100)
  const before = await live()
  await reload(100, 400)
  expect(await live()).toBeLessThan(before * 1.05)
})
