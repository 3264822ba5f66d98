import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const SOURCE = 'packages/gateway/src'

/** Each file breaks exactly one rule. A linter that has never been seen to complain proves nothing. */
const BROKEN: Readonly<Record<string, string>> = {
  'errors/value-a.ts': "import { b } from './value-b.ts'\nexport const a = (): number => b\n",
  'errors/value-b.ts': "import { a } from './value-a.ts'\nexport const b = 1\nexport const c = a\n",
  'errors/type-a.ts': "import type { B } from './type-b.ts'\nexport type A = B | 1\n",
  'errors/type-b.ts': "import type { A } from './type-a.ts'\nexport type B = A | 2\n",
  'router/index.ts': 'export const router = 1\n',
  'router/match.ts': 'export const match = 1\n',
  'http/upward.ts': "import { router } from '../router/index.ts'\nexport const up = router\n",
  'pipeline/past-index.ts':
    "import { match } from '../router/match.ts'\nexport const past = match\n",
  'pipeline/client.ts': "import { request } from 'undici'\nexport const client = request\n",
  'pipeline/server.ts':
    "import { createServer } from 'node:http'\nexport const server = createServer\n",
  'errors/floating.ts':
    'async function wait(): Promise<void> {}\nexport function run(): void {\n  wait()\n}\n',
  'errors/clean.ts': 'export const clean = 1\n',
}

let folder: string
let reported: ReadonlyMap<string, readonly string[]>

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'pratu-lint-'))
  for (const file of ['.oxlintrc.json', 'tsconfig.json', 'tsconfig.base.json', 'package.json']) {
    cpSync(join(ROOT, file), join(folder, file))
  }
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
  for (const [name, text] of Object.entries(BROKEN)) {
    const path = join(folder, SOURCE, name)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, text)
  }
  reported = await lint(folder)
}, 60_000)

afterAll(() => rmSync(folder, { recursive: true, force: true }))

test.each([
  ['errors/value-a.ts', 'import(no-cycle)'],
  ['errors/type-a.ts', 'import(no-cycle)'],
  ['http/upward.ts', 'eslint(no-restricted-imports)'],
  ['pipeline/past-index.ts', 'eslint(no-restricted-imports)'],
  ['pipeline/client.ts', 'eslint(no-restricted-imports)'],
  ['pipeline/server.ts', 'eslint(no-restricted-imports)'],
  ['errors/floating.ts', 'typescript(no-floating-promises)'],
])('the linter complains of %s by %s', (file, rule) => {
  expect(reported.get(join(SOURCE, file))).toContain(rule)
})

test('the linter leaves a clean file alone', () => {
  expect(reported.get(join(SOURCE, 'errors/clean.ts'))).toBeUndefined()
})

function lint(cwd: string): Promise<ReadonlyMap<string, readonly string[]>> {
  const bin = join(ROOT, 'node_modules/oxlint/bin/oxlint')
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [bin, '--type-aware', '-f', 'json', 'packages'],
      { cwd, maxBuffer: 16 * 1024 * 1024 },
      (_error, stdout) => resolve(rulesByFile(JSON.parse(stdout))),
    )
  })
}

function rulesByFile(report: {
  diagnostics: { filename: string; code: string }[]
}): ReadonlyMap<string, readonly string[]> {
  const rules = new Map<string, string[]>()
  for (const { filename, code } of report.diagnostics) {
    rules.set(filename, [...(rules.get(filename) ?? []), code])
  }
  return rules
}
