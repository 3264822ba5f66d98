import { connect } from 'node:net'
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { startSimulator, type Simulator } from '@pratu/simulator'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { startPratu, type PratuProcess } from '../pratu-process.ts'
import { startHeldStreams, type HeldStreams } from './held-streams.ts'
import { ask, chatBody, openStream, startLoad, type OpenStream } from './load.ts'

let simulator: Simulator
let held: HeldStreams
let pratu: PratuProcess | undefined
beforeEach(async () => {
  simulator = await startSimulator()
  held = await startHeldStreams()
})
afterEach(async () => {
  await pratu?.stop()
  pratu = undefined
  await simulator.close()
  await held[Symbol.asyncDispose]()
})

const CHAT = '/v1/chat/completions'
const BODY = chatBody()
const STREAM = chatBody({ stream: true })

function configuration(): string {
  return `_format_version: "3.0"
services:
- name: chat
  url: ${simulator.url}${CHAT}
  routes:
  - name: chat
    paths: [${CHAT}]
- name: held
  url: ${held.url}${CHAT}
  routes:
  - name: held
    paths: [/held]
`
}

/** @param drain minimum and whole, such as `300ms`. */
async function start(
  minimum: string,
  whole: string,
  environment: Readonly<Record<string, string>> = {},
): Promise<PratuProcess> {
  pratu = await startPratu({
    configuration: configuration(),
    environment: {
      PRATU_DRAIN_MINIMUM: minimum,
      PRATU_DRAIN_TIMEOUT: whole,
      PRATU_PROXY_ACCESS_LOG: 'off',
      ...environment,
    },
  })
  return pratu
}

/** They go on until `held` finishes them. */
async function openStreams(port: number, count: number): Promise<readonly OpenStream[]> {
  const streams = Array.from({ length: count }, () =>
    openStream({ port, path: '/held', body: STREAM }),
  )
  await Promise.all(streams.map(({ begun }) => begun))
  return streams
}

describe.each([
  ['one process', {}],
  ['two workers', { PRATU_WORKERS: '2' }],
])('%s', (_name, environment) => {
  test('F46 F47 T3 SIGTERM loses no request, cuts no stream, and ends with 0', async () => {
    const { proxyPort: port, adminPort, ...running } = await start('2500ms', '12s', environment)
    const streams = await openStreams(port, 20)
    const busy = startLoad({ port, path: CHAT, body: BODY, clients: 8 })
    const idle = startLoad({ port, path: CHAT, body: BODY, clients: 8, pauseMs: 200 })
    const fresh = startFresh(port)
    await expect.poll(() => busy.requests).toBeGreaterThan(50)

    running.signal('SIGTERM')
    await running.waitForLog(({ msg }) => msg === 'stopping')
    const [ready, live, answered] = await Promise.all([
      ask({ port, path: '/readyz' }),
      ask({ port, path: '/livez' }),
      ask({ port, path: CHAT, body: BODY }),
    ])
    expect([ready.status, live.status, answered.status]).toEqual([503, 200, 200])
    expect(answered.headers['connection']).toBe('close')
    // A load balancer has noticed by now and sends nobody any more.
    await sleep(300)
    const reports = await Promise.all([busy.stop(), idle.stop()])
    expect(reports.flatMap(({ failures }) => failures)).toEqual([])
    expect(fresh.refused).toBe(0)
    // The admin port tells how it goes, to the end.
    await expect.poll(() => fresh.refused, { timeout: 8000 }).toBeGreaterThan(0)
    const status = await ask({ port: adminPort, path: '/status' })
    expect(status.text).toContain('"phase":"draining"')

    expect(held.open).toBe(20)
    held.finish()
    const ended = await Promise.all(streams.map((stream) => stream.ended))
    expect(ended.filter(({ cut, text }) => cut || !text.endsWith('data: [DONE]\n\n'))).toEqual([])
    expect(await running.exited).toEqual({ code: 0, signal: null })
    expect((await fresh.stop()).failures).toEqual([])
  })

  test('F48 T3 at the deadline every stream gets an error event in its own format', async () => {
    const { proxyPort: port, ...running } = await start('0', '300ms', environment)
    const streams = await openStreams(port, 20)
    const startedAt = performance.now()
    running.signal('SIGTERM')
    const ended = await Promise.all(streams.map((stream) => stream.ended))
    expect(await running.exited).toEqual({ code: 0, signal: null })
    expect(performance.now() - startedAt).toBeLessThan(1300)
    for (const { text, cut } of ended) {
      const events = text.trimEnd().split('\n\n')
      expect(JSON.parse(events.at(-1)?.replace('data: ', '') ?? '')).toMatchObject({
        error: { code: 'server_shutting_down' },
      })
      expect(text).not.toContain('[DONE]')
      expect(cut).toBe(true)
    }
    const forced = running.log.find(({ requests }) => requests !== undefined)
    expect(forced).toMatchObject({ level: 'warn', requests: 20 })
  })

  test('F49 a second signal ends what is left at once', async () => {
    const { proxyPort: port, ...running } = await start('20s', '25s', environment)
    const [stream] = await openStreams(port, 1)
    running.signal('SIGTERM')
    await running.waitForLog(({ msg }) => msg === 'stopping')
    const startedAt = performance.now()
    running.signal('SIGTERM')
    expect(await running.exited).toEqual({ code: 0, signal: null })
    expect(performance.now() - startedAt).toBeLessThan(2000)
    expect((await stream?.ended)?.text).toContain('server_shutting_down')
  })
})

/** A new connection each 50 ms, while there is somebody to connect to. */
function startFresh(port: number) {
  const failures: string[] = []
  let refused = 0
  const timer = setInterval(() => {
    ask({ port, path: CHAT, body: BODY }).catch((error: unknown) => {
      if (String(error).includes('ECONNREFUSED')) refused++
      else failures.push(String(error))
    })
  }, 50)
  return {
    get refused() {
      return refused
    },
    async stop() {
      clearInterval(timer)
      await sleep(50)
      return { failures }
    },
  }
}

test('F48 a request that waits for its upstream is answered with 503 at the deadline', async () => {
  simulator.setRules([{ fault: { break: { at: 'before-headers', how: 'hang' } } }])
  const { proxyPort: port, ...running } = await start('0', '300ms')
  const waiting = ask({ port, path: CHAT, body: BODY })
  await simulator.waitForRequest()
  running.signal('SIGTERM')
  const answer = await waiting
  expect(answer.status).toBe(503)
  expect(JSON.parse(answer.text)).toMatchObject({ error: { code: 'server_shutting_down' } })
  expect(await running.exited).toEqual({ code: 0, signal: null })
})

test('F48 a request whose body is still coming is answered with 503 at the deadline', async () => {
  const { proxyPort: port, ...running } = await start('0', '300ms')
  const socket = connect(port, '127.0.0.1')
  let text = ''
  socket.on('data', (chunk: Buffer) => (text += chunk.toString()))
  const closed = new Promise((resolve) => socket.once('close', resolve))
  socket.write(`POST ${CHAT} HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n{`)
  await expect
    .poll(async () => (await ask({ port: running.adminPort, path: '/metrics' })).text)
    .toMatch(/^pratu_requests_in_flight 1$/m)
  running.signal('SIGTERM')
  await closed
  expect(text).toMatch(/^HTTP\/1\.1 503 /)
  expect(await running.exited).toEqual({ code: 0, signal: null })
})

test('SIGINT does not wait for load balancers', async () => {
  const running = await start('20s', '25s')
  const startedAt = performance.now()
  running.signal('SIGINT')
  expect(await running.exited).toEqual({ code: 0, signal: null })
  expect(performance.now() - startedAt).toBeLessThan(1500)
})

test('SIGHUP reads the file again, S40 SIGUSR1 opens no debugger', async () => {
  const running = await start('0', '1s')
  running.signal('SIGHUP')
  await running.waitForLog(({ generation, origin }) => generation === 2 && origin === 'signal')
  running.signal('SIGUSR1')
  await running.waitForLog(({ msg }) => String(msg).startsWith('SIGUSR1'))
  expect(listeningPorts(running.pid)).not.toContain(9229)
  expect(running.output.join('\n')).not.toContain('Debugger listening')
})

/** TCP ports on which a process listens, from /proc. */
function listeningPorts(pid: number): readonly number[] {
  const rows = readFileSync(`/proc/${pid}/net/tcp`, 'utf8').trim().split('\n').slice(1)
  return rows
    .map((row) => row.trim().split(/\s+/))
    .filter(([, , , state]) => state === '0A')
    .map(([, local = '']) => Number.parseInt(local.split(':')[1] ?? '', 16))
}
