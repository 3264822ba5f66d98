/** `pratu prices` as people and programs call it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, test } from 'vitest'
import { runCommand } from './run-command.ts'

const BIN = fileURLToPath(new URL('../packages/gateway/bin/pratu.js', import.meta.url))

const folder = mkdtempSync(join(tmpdir(), 'pratu-prices-'))
afterAll(() => rmSync(folder, { recursive: true }))

function prices(args: readonly string[], environment: Readonly<Record<string, string>> = {}) {
  return runCommand([process.execPath, BIN, 'prices', ...args], { environment })
}

function file(name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

describe('pratu prices', () => {
  test('finds a model, and says how old its price is', async () => {
    const { code, stdout } = await prices(['gpt-4.1', '--provider', 'openai'])
    expect(code).toBe(0)
    expect(stdout).toMatch(/^openai +gpt-4\.1 +2 +0\.5 +8$/m)
    expect(stdout).toMatch(/of 20\d\d-\d\d-\d\d\.\n$/)
    expect(stdout).not.toContain('\u001b')
  })

  test('finds it by a dated name', async () => {
    const { stdout } = await prices(['claude-sonnet-4-5-20250929', '--provider', 'anthropic'])
    expect(stdout).toMatch(/^anthropic +claude-sonnet-4-5 +3 +0\.3 +15$/m)
    expect(stdout).toMatch(/above 200,000 tokens +6 +0\.6 +22\.5$/m)
  })

  test('lists all, as JSON for programs', async () => {
    const { stdout } = await prices(['--format', 'json'])
    const body: unknown = JSON.parse(stdout)
    expect(body).toMatchObject({
      date: expect.stringMatching(/^20\d\d-\d\d-\d\d$/),
      source: expect.stringContaining('genai-prices'),
      prices: expect.arrayContaining([
        expect.objectContaining({ provider: 'openai', model: 'gpt-4.1', input: 2, output: 8 }),
      ]),
    })
  })

  test('colours where a terminal shows them', async () => {
    const { stdout } = await prices(['gpt-4.1'], { FORCE_COLOR: '1' })
    expect(stdout).toContain('\u001b[1mPROVIDER')
  })

  test('says when it knows none, with a status for scripts', async () => {
    const { code, stdout } = await prices(['no-such-model'])
    expect(code).toBe(1)
    expect(stdout).toContain('no model of that name has a price')
  })

  test('shows the prices of a file first', async () => {
    const path = file(
      'own.yml',
      'prices: [{provider: deepseek, model: deepseek-v3.2, input: 0.28, output: 0.42}]',
    )
    const { stdout } = await prices(['deepseek-v3.2', '--provider', 'deepseek'], {
      PRATU_PRICES_FILE: path,
    })
    expect(stdout).toMatch(/^deepseek +deepseek-v3\.2 +0\.28 +0\.28 +0\.42 +from the file$/m)
    expect(stdout).toContain(`From ${path}, then`)
  })

  test('points at the mistake in a file', async () => {
    const path = file('bad.yml', 'prices:\n- model: m\n  ouput: 3\n')
    const { code, stderr } = await prices([], { PRATU_PRICES_FILE: path })
    expect(code).toBe(1)
    expect(stderr).toContain(`${path}:3:3`)
    expect(stderr).toContain("did you mean 'output'")
  })
})
