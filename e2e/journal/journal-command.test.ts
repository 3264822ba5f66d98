/** `pratu journal verify` as people and programs call it. */
import {
  appendFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { chat, givenAiGateway } from '../gateway.ts'
import { runCommand } from '../run-command.ts'

const BIN = fileURLToPath(new URL('../../packages/gateway/bin/pratu.js', import.meta.url))

test('tells what a journal adds up to, and what is wrong with it', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'pratu-verify-'))
  const verify = (...args: string[]) =>
    runCommand([process.execPath, BIN, 'journal', 'verify', directory, ...args])
  try {
    await using it = await givenAiGateway({ environment: { PRATU_JOURNAL_DIR: directory } })
    for (let i = 0; i < 3; i++) await (await fetch(`${it.url}/v1/chat`, chat())).text()
    await it.gateway.drain({ minimumMs: 0, timeoutMs: 1000 })
    const path = join(
      directory,
      readdirSync(directory).find((name) => name.startsWith('usage-')) ?? '',
    )
    const whole = readFileSync(path, 'utf8')

    appendFileSync(path, whole.slice(0, 20))
    const torn = await verify()
    expect([torn.code, torn.stdout]).toEqual([
      0,
      expect.stringMatching(/3 records in 1 files[^]*1 torn[^]*whole/),
    ])

    writeFileSync(path, whole + whole.replace('"ok"', '"no"'))
    const wrong = await verify('--json')
    expect(wrong.code).toBe(1)
    expect(JSON.parse(wrong.stdout)).toMatchObject({
      records: 5,
      damaged: 1,
      duplicates: 2,
      torn: 0,
    })
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
})
