import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { PratuClient } from '../node.ts'
import { answerJson, completion, givenServer, HELLO } from '../testing/given-server.ts'
import { BatchFileError, runBatchFile } from './index.ts'

let folder: string
let input: string
let output: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pratu-batch-'))
  input = join(folder, 'in.jsonl')
  output = join(folder, 'out.jsonl')
})
afterEach(() => rmSync(folder, { recursive: true }))

const lines = (path: string): { custom_id: string; [field: string]: unknown }[] =>
  readFileSync(path, 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line))

const ids = (path: string): string[] =>
  lines(path)
    .map(({ custom_id }) => custom_id)
    .sort()

test('both forms of lines are answered in OpenAI batch lines; a second run sends nothing', async () => {
  writeFileSync(
    input,
    `\uFEFF${JSON.stringify(HELLO)}\r\n\n${JSON.stringify({ custom_id: 'a', method: 'POST', url: '/v1/chat/completions', body: HELLO })}`,
  )
  await using server = await givenServer((response) => answerJson(response, 200, completion()))
  await using client = new PratuClient({ gatewayUrl: server.url })
  expect(await runBatchFile(client, { input, output })).toMatchObject({ answered: 2, failed: 0 })
  expect(ids(output)).toEqual(['a', 'line-1'])
  expect(lines(output)[0]).toMatchObject({
    response: { status_code: 200, body: { object: 'chat.completion' } },
    error: null,
  })
  const again = await runBatchFile(client, { input, output })
  expect(again).toMatchObject({ answered: 0, alreadyAnswered: 2, notAnswered: 0 })
  expect(server.requests).toHaveLength(2)
})

test('failed items go to a file of their own and are sent again by the next run', async () => {
  writeFileSync(input, `${JSON.stringify(HELLO)}\n`.repeat(3))
  let isBad = true
  await using server = await givenServer((response, { nth }) =>
    isBad && nth === 2
      ? answerJson(response, 400, { error: { message: 'no', code: 'bad' } })
      : answerJson(response, 200, completion()),
  )
  await using client = new PratuClient({ gatewayUrl: server.url })
  const first = await runBatchFile(client, { input, output, concurrency: 1 })
  expect(first).toMatchObject({ answered: 2, failed: 1 })
  expect(lines(join(folder, 'out.errors.jsonl'))).toMatchObject([
    { custom_id: 'line-2', line: 2, error: { kind: 'request', code: 'bad', status_code: 400 } },
  ])
  isBad = false
  expect(await runBatchFile(client, { input, output })).toMatchObject({ answered: 1, failed: 0 })
  expect(ids(output)).toEqual(['line-1', 'line-2', 'line-3'])
  expect(lines(join(folder, 'out.errors.jsonl'))).toEqual([])
})

test('a torn last line is cut, and its item sent again under the same idempotency key', async () => {
  writeFileSync(input, `${JSON.stringify(HELLO)}\n${JSON.stringify(HELLO)}\n`)
  await using server = await givenServer((response) => answerJson(response, 200, completion()))
  await using client = new PratuClient({ gatewayUrl: server.url })
  await runBatchFile(client, { input, output, concurrency: 1 })
  const whole = readFileSync(output, 'utf8')
  writeFileSync(output, whole.slice(0, -20))
  const again = await runBatchFile(client, { input, output })
  expect(again.repairedBytes).toBeGreaterThan(100)
  expect(again).toMatchObject({ answered: 1, alreadyAnswered: 1 })
  expect(ids(output)).toEqual(['line-1', 'line-2'])
  const keys = server.requests.map(({ headers }) => headers['idempotency-key'])
  expect(keys[2]).toBe(keys[1])
  expect(keys[0]).not.toBe(keys[1])
})

test('bad lines are told by number: they stop the run before anything is sent, or are skipped', async () => {
  const bad = [
    '{"model":',
    '[]',
    '{"messages":[]}',
    '{"model":"m","messages":[]}',
    '{"custom_id":7,"body":{}}',
    '{"custom_id":"x","url":"/v1/images","body":{"model":"m"}}',
    '{"model":"m","messages":[{}],"stream":true}',
    '{"method":"GET","model":"m","messages":[{}]}',
    JSON.stringify({ custom_id: 'line-1', ...HELLO }),
  ]
  writeFileSync(input, [JSON.stringify(HELLO), ...bad].join('\n'))
  await using server = await givenServer((response) => answerJson(response, 200, completion()))
  await using client = new PratuClient({ gatewayUrl: server.url })
  const error: unknown = await runBatchFile(client, { input, output }).catch((e: unknown) => e)
  expect(error).toBeInstanceOf(BatchFileError)
  const told = error instanceof BatchFileError ? error.badLines : []
  expect(told.map(({ line }) => line)).toEqual([2, 3, 4, 5, 6, 7, 8, 9, 10])
  expect(server.requests).toHaveLength(0)
  const result = await runBatchFile(client, { input, output, badLines: 'skip' })
  expect(result).toMatchObject({ answered: 1, badLines: told })
})

test('what is no output of a batch, and an input that changed under its answers, are left alone', async () => {
  writeFileSync(input, JSON.stringify(HELLO))
  await using server = await givenServer((response) => answerJson(response, 200, completion()))
  await using client = new PratuClient({ gatewayUrl: server.url })
  writeFileSync(output, 'my diary\n')
  await expect(runBatchFile(client, { input, output })).rejects.toThrow(
    /out.jsonl:1 is not an answer/,
  )
  expect(readFileSync(output, 'utf8')).toBe('my diary\n')
  rmSync(output)
  await runBatchFile(client, { input, output })
  appendFileSync(input, '\n')
  writeFileSync(input, JSON.stringify({ ...HELLO, seed: 2 }))
  await expect(runBatchFile(client, { input, output })).rejects.toThrow(/line-1 .* not what it was/)
  await expect(runBatchFile(client, { input, output: input })).rejects.toThrow('three files')
})
