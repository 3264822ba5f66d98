import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, expect, test } from 'vitest'
import { startSimulator } from '../src/index.ts'
import { call, jsonAt } from './api-client.ts'
import { chatBody, RawClient, rawRequest } from './raw-client.ts'

const BIN = fileURLToPath(new URL('../bin/pratu-simulator.js', import.meta.url))
const folder = mkdtempSync(path.join(tmpdir(), 'pratu-simulator-'))
const running = new Set<ChildProcess>()

afterEach(() => {
  for (const child of running) child.kill('SIGKILL')
})
afterAll(() => rmSync(folder, { recursive: true }))

interface Run {
  readonly child: ChildProcess
  /** The first line on standard output. */
  readonly line: Promise<string>
  readonly exit: Promise<{ code: number | null; out: string; error: string }>
}

function run(...args: string[]): Run {
  const child = spawn(process.execPath, [BIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  running.add(child)
  let out = ''
  let error = ''
  child.stderr.on('data', (bytes: Buffer) => (error += bytes.toString()))
  const exit = new Promise<{ code: number | null; out: string; error: string }>((resolve) => {
    child.on('close', (code) => {
      running.delete(child)
      resolve({ code, out, error })
    })
  })
  const line = new Promise<string>((resolve, reject) => {
    child.stdout.on('data', (bytes: Buffer) => {
      out += bytes.toString()
      if (out.includes('\n')) resolve(out.slice(0, out.indexOf('\n')))
    })
    void exit.then(() => reject(new Error(`ended without a line: ${error}`)))
  })
  // A test that expects the end does not read the line.
  line.catch(() => undefined)
  return { child, line, exit }
}

test('--json prints one ready line; SIGTERM ends it with 0, an open stream included', async () => {
  const { child, line, exit } = run('--port', '0', '--json', '--seed', '3')
  const ready = await line
  expect(jsonAt(ready)).toMatchObject({ event: 'ready', seed: 3, pid: child.pid })
  const port = Number(jsonAt(ready, 'port'))
  const client = new RawClient(port)
  client.write(
    rawRequest({
      headers: { 'x-simulator-fault': 'hang=after-tokens:1' },
      body: chatBody('hi', { stream: true }),
    }),
  )
  await client.until((text) => text.includes('"content":"'))
  child.kill('SIGTERM')
  expect(await exit).toMatchObject({ code: 0, out: `${ready}\n`, error: '' })
  client.close()
})

test('a person gets one readable line; SIGINT ends it with 0', async () => {
  const { child, line, exit } = run('--port', '0', '--latency', 'article')
  expect(await line).toMatch(
    /^pratu-simulator is ready: http:\/\/127\.0\.0\.1:\d+\/v1 \(seed 1, latency article\)/,
  )
  child.kill('SIGINT')
  expect((await exit).code).toBe(0)
})

test('flags decide faults, keys, models and the length of answers', async () => {
  const rules = path.join(folder, 'rules.json')
  writeFileSync(rules, JSON.stringify(['model=b => status=502']))
  const flags = `--port 0 --json --rules ${rules} --api-key k1 --model a --model b --model c
    --strict-models --completion-tokens 5 --tokens-per-second 1000 --record 0`
  const { child, line, exit } = run(
    '--fault',
    'model=a => status=429; retry-after=2',
    ...flags.split(/\s+/),
  )
  const url = String(jsonAt(await line, 'url'))
  const headers = { authorization: 'Bearer k1' }
  const ask = (model: string): ReturnType<typeof call> =>
    call(`${url}/v1/chat/completions`, { headers, body: chatBody('hi', { model }) })
  const limited = await ask('a')
  expect([limited.status, limited.headers['retry-after']]).toEqual([429, '2'])
  expect((await ask('b')).status).toBe(502)
  expect(jsonAt((await ask('c')).text, 'usage', 'completion_tokens')).toBe(5)
  expect((await ask('d')).status).toBe(404)
  expect((await call(`${url}/v1/models`)).status).toBe(401)
  expect(jsonAt((await call(`${url}/__simulator/requests`)).text, 'requests')).toEqual([])
  child.kill('SIGTERM')
  expect((await exit).code).toBe(0)
})

test('--quiet prints nothing, from start to end', async () => {
  const probe = await startSimulator()
  const { port } = probe
  await probe.close()
  const { child, exit } = run('--port', String(port), '--quiet')
  const answers = (): Promise<number> =>
    call(`http://127.0.0.1:${port}/__simulator/health`).then(
      ({ status }) => status,
      () => 0,
    )
  await expect.poll(answers, { timeout: 10_000, interval: 20 }).toBe(200)
  child.kill('SIGTERM')
  expect(await exit).toEqual({ code: 0, out: '', error: '' })
})

test('--help shows every option with an example, --version the version', async () => {
  const help = await run('--help').exit
  expect(help.code).toBe(0)
  for (const option of [
    '--port',
    '--latency',
    '--tokens-per-second',
    '--seed',
    '--fault',
    '--rules',
    '--api-key',
    '--record',
    '--tls-cert',
    '--quiet',
    '--json',
  ]) {
    expect(help.out).toContain(option)
  }
  expect(help.out).toContain('Examples:')
  expect((await run('--version').exit).out).toMatch(/^\d+\.\d+\.\d+\n$/)
})

test.each([
  [['--latency', 'slow'], /--latency.*slow.*unknown/s],
  [['--fault', 'statsu=1'], /--fault.*statsu/s],
  [['--port', 'x'], /--port.*whole number/s],
  [['--port', '70000'], /port: 70000/],
  [['--rules', '/does/not/exist.json'], /ENOENT/],
  [['--tls-cert', 'c.pem'], /belong together/],
  [['--rules', BIN], /--rules .*pratu-simulator\.js: .*JSON/],
  [['--nonsense'], /unknown option/],
])('%s is refused with a sentence and code 1', async (args, message) => {
  const { code, error, out } = await run(...args).exit
  expect(code).toBe(1)
  expect(error).toMatch(message)
  expect(error).not.toMatch(/\n\s+at /)
  expect(out).toBe('')
})

test('a busy port is told in one line', async () => {
  const first = run('--port', '0', '--json')
  const port = String(jsonAt(await first.line, 'port'))
  const { code, error } = await run('--port', port).exit
  expect(code).toBe(1)
  expect(error).toMatch(/^pratu-simulator: .*EADDRINUSE.*\n$/)
  first.child.kill('SIGTERM')
  await first.exit
})
