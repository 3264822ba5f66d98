import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { startPratu, type PratuProcess } from '../pratu-process.ts'
import { startEcho } from './echo.ts'
import { ask, startLoad } from './load.ts'

let pratu: PratuProcess | undefined
afterEach(async () => {
  await pratu?.stop()
  pratu = undefined
})

function configuration(url: string): string {
  return `_format_version: "3.0"
services:
- name: echo
  url: ${url}
  routes:
  - name: echo
    paths: [/echo]
`
}

async function start(
  url: string,
  environment: Readonly<Record<string, string>>,
): Promise<PratuProcess> {
  pratu = await startPratu({
    configuration: configuration(url),
    environment: { PRATU_PROXY_ACCESS_LOG: 'off', ...environment },
  })
  return pratu
}

test('F52 under a limit the process has a heap that fits, and is the process that was started', async () => {
  const { pid, proxyPort: port } = await start('http://127.0.0.1:9', {
    PRATU_MEMORY_LIMIT: '512m',
  })
  const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
  expect(command.filter((argument) => argument.startsWith('--max'))).toEqual([
    '--max-old-space-size=256',
    '--max-semi-space-size=4',
  ])
  expect((await ask({ port, path: '/livez' })).status).toBe(200)
})

test('F52 above 85 % of the limit requests are shed with 503 and Retry-After, probes are answered', async () => {
  // Less than the program itself takes.
  const { proxyPort: port } = await start('http://127.0.0.1:9', { PRATU_MEMORY_LIMIT: '40m' })
  await expect.poll(async () => (await ask({ port, path: '/echo' })).status).toBe(503)
  const shed = await ask({ port, path: '/echo', body: '{}' })
  expect(shed.status).toBe(503)
  expect(shed.headers['retry-after']).toBe('1')
  expect(shed.text).toContain('overloaded')
  const startedAt = performance.now()
  expect((await ask({ port, path: '/health' })).status).toBe(200)
  expect(performance.now() - startedAt).toBeLessThan(500)
})

test('F52 when the buffers are full, large bodies are refused and small requests are served', async () => {
  await using echo = await startEcho()
  const { proxyPort: port, adminPort } = await start(echo.url, {
    PRATU_BUFFER_SIZE: '16m',
    PRATU_REQUEST_BUFFER_SIZE: '1m',
    PRATU_BODY_GRACE: '60s',
  })
  const bufferedBytes = async (): Promise<number> => {
    const { text } = await ask({ port: adminPort, path: '/metrics' })
    return Number(/^pratu_memory_buffer_bytes (\d+)$/m.exec(text)?.[1])
  }
  // Each promises 1 MB, sends most of it, and keeps what it has sent in the gateway's memory.
  const uploads = Array.from({ length: 40 }, () => startUpload(port, 1_000_000, 900_000))
  await expect.poll(() => uploads.filter(({ status }) => status === 503).length).toBeGreaterThan(5)
  await expect.poll(bufferedBytes).toBeGreaterThan(8_000_000)
  const small = startLoad({ port, path: '/echo', body: '{"small":true}', clients: 4 })
  await expect.poll(() => small.requests, { timeout: 10_000 }).toBeGreaterThan(200)
  expect((await small.stop()).failures).toEqual([])
  expect(await bufferedBytes()).toBeLessThanOrEqual(16 * 1024 * 1024)
  for (const upload of uploads) upload.cancel()
  await expect.poll(bufferedBytes).toBe(0)
})

interface Upload {
  /** Of the answer; `undefined` while there is none. */
  readonly status: number | undefined
  cancel(): void
}

function startUpload(port: number, declaredBytes: number, sentBytes: number): Upload {
  let answer = ''
  const socket = connect(port, '127.0.0.1')
  socket.on('data', (chunk: Buffer) => (answer += chunk.toString()))
  // Refused while it is still sending, or cut at the end of the test.
  socket.on('error', () => undefined)
  socket.write(`POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: ${declaredBytes}\r\n\r\n`)
  socket.write(Buffer.alloc(sentBytes, 'x'))
  return {
    get status() {
      return answer === '' ? undefined : Number(answer.split(' ')[1])
    },
    cancel: () => void socket.destroy(),
  }
}
