/** `pratu batch`, as it is typed: killed in the middle, it resumes; a dead gateway is told once. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, watch, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startSimulator, type Simulator } from '@pratu/simulator'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { runCommand } from '../run-command.ts'

const BIN = fileURLToPath(new URL('../../packages/gateway/bin/pratu.js', import.meta.url))
const ITEMS = 10_000

let folder: string
let simulator: Simulator
let input: string
let output: string

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'pratu-batch-'))
  input = join(folder, 'in.jsonl')
  output = join(folder, 'out.jsonl')
  simulator = await startSimulator({ completionTokens: 2, record: false })
})
afterEach(async () => {
  await simulator.close()
  rmSync(folder, { recursive: true })
})

const item = (id: number): string =>
  JSON.stringify({
    custom_id: `item-${id}`,
    method: 'POST',
    url: '/v1/chat/completions',
    body: { model: 'gpt-4.1', messages: [{ role: 'user', content: `echo:${id}` }] },
  })

const command = (): [string, ...string[]] => [
  process.execPath,
  BIN,
  'batch',
  input,
  '-o',
  output,
  '--concurrency',
  '50',
  '--gateway',
  simulator.url,
]

const lineCount = (): number => readFileSync(output, 'utf8').split('\n').length - 1

test('10,000 items, killed with SIGKILL in the middle: run again, each is answered exactly once', async () => {
  writeFileSync(input, Array.from({ length: ITEMS }, (_, id) => item(id)).join('\n'))
  writeFileSync(output, '')
  const [program, ...args] = command()
  const first = spawn(program, args, { stdio: 'ignore' })
  const ended = once(first, 'close')
  const watcher = watch(output, () => {
    if (lineCount() >= 2_000) first.kill('SIGKILL')
  })
  await ended
  watcher.close()
  expect(first.signalCode).toBe('SIGKILL')
  const before = lineCount()
  expect(before).toBeGreaterThanOrEqual(2_000)
  expect(before).toBeLessThan(ITEMS)

  const again = await runCommand(command())
  expect([again.code, again.stderr]).toEqual([
    0,
    expect.stringContaining(`${before} of ${ITEMS} answered before`),
  ])
  const answers = readFileSync(output, 'utf8').trimEnd().split('\n')
  const byId = new Map(
    answers.map((line) => {
      const { custom_id, response } = JSON.parse(line)
      return [custom_id, response.body.choices[0].message.content] as const
    }),
  )
  expect(answers).toHaveLength(ITEMS)
  expect(byId.size).toBe(ITEMS)
  expect([...byId].every(([id, text]) => id === `item-${text}`)).toBe(true)
}, 120_000)

test('a dead gateway is one clear error after the stated retries, and nothing is lost', async () => {
  writeFileSync(input, [1, 2, 3].map(item).join('\n'))
  const dead = command()
  await simulator.close()
  const { code, stderr } = await runCommand([...dead, '--max-retries', '0'])
  expect([code, stderr.match(/ConnectionError/g)]).toEqual([1, ['ConnectionError']])
  expect(stderr).toMatch(/no answer from the gateway at .*ECONNREFUSED.*\(1 attempt\)/)
  expect(stderr).toContain('3 left: run the same command again')
})

test('bad lines stop the run by their numbers, or are skipped when asked', async () => {
  writeFileSync(input, [item(1), '{"model"', item(2)].join('\n'))
  const stopped = await runCommand(command())
  expect([stopped.code, stopped.stderr]).toEqual([
    1,
    expect.stringContaining('in.jsonl:2: not JSON'),
  ])
  const skipped = await runCommand([...command(), '--skip-bad-lines'])
  expect([skipped.code, skipped.stderr]).toEqual([2, expect.stringContaining('2 answered')])
})
