/** Tells which fault ids and which sections of kong.md no test names. A test holds the list to be empty. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const TEST_FOLDERS = ['packages', 'e2e', 'scripts', 'examples']
const SKIPPED = new Set(['node_modules', 'dist'])

/** Fault ids that must have a test, by the part of the product that they concern. */
export const REQUIRED_IDS: Readonly<Record<string, readonly string[]>> = {
  configuration: ['F54', 'F55', 'F56', 'S11', 'S24', 'S28'],
  router: ['S06', 'S07'],
  listener: [...range('F', 1, 16), ...range('S', 1, 6), 'S20', 'S34'],
  upstream: ['F04', 'F05', 'F06', 'F24', 'F25', 'F26', 'S16', 'S17'],
  plugins: ['S09', 'S10', 'S12', 'S22', 'S34'],
  streams: ['F23'],
  process: [...range('F', 46, 52), 'F58'],
  limits: [...range('F', 59, 72), 'S47'],
  journal: ['F57', 'F77', 'F78'],
  cache: [...range('F', 73, 76), ...range('S', 31, 33)],
}

/**
 * Sections of kong.md that must have a test. §2.9 is not among them: it describes another flavour of the router. Of the
 * plugins those that are bundled.
 */
export const REQUIRED_SECTIONS: readonly string[] = [
  ...range('1.', 1, 10, 1),
  ...range('2.', 1, 8, 1),
  '2.10',
  ...range('3.', 1, 7, 1),
  '3.9',
  '3.10',
  '3.12',
  '3.13',
  '3.15',
  ...range('4.', 1, 6, 1),
  '5',
]

function range(prefix: string, first: number, last: number, digits = 2): readonly string[] {
  return Array.from(
    { length: last - first + 1 },
    (_, index) => prefix + String(first + index).padStart(digits, '0'),
  )
}

/** What the texts of tests name. */
export interface Named {
  readonly ids: ReadonlySet<string>
  readonly sections: ReadonlySet<string>
}

const ID_RANGE = /\b([FST])(\d{1,2})(?:\s*[-–]\s*(?:\1)?(\d{1,2}))?\b/g
const SECTION = /§(\d+(?:\.\d+)?)/g

/** Ids and sections in one text; `F05–F07` stands for all three. Sections count where kong.md is named. */
export function namedIn(text: string): Named {
  const ids = new Set<string>()
  for (const [, kind = '', first = '', last] of text.matchAll(ID_RANGE)) {
    if (kind !== 'T' && first.length < 2) continue
    for (let n = Number(first); n <= Number(last ?? first); n++)
      ids.add(kind + String(n).padStart(first.length, '0'))
  }
  const sections = text.includes('kong.md')
    ? [...text.matchAll(SECTION)].map(([, section = '']) => section)
    : []
  return { ids, sections: new Set(sections) }
}

// Comments first, so that what stands in one is never taken for a text.
const TOKEN =
  /\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`/g

/** Every text of a program, comments left out: names of tests, and the rows of tables that make names. */
export function textsOf(source: string): readonly string[] {
  return [...source.matchAll(TOKEN)]
    .map(([token]) => token)
    .filter((token) => !token.startsWith('/'))
    .map((token) => token.slice(1, -1))
}

export function namedByTests(root: string = ROOT): Named {
  const ids = new Set<string>()
  const sections = new Set<string>()
  for (const folder of TEST_FOLDERS) {
    for (const file of testFiles(join(root, folder))) {
      // Its own examples are no tests of what they name.
      if (file.endsWith('coverage-of-ids.test.ts')) continue
      for (const text of textsOf(readFileSync(file, 'utf8'))) {
        const named = namedIn(text)
        for (const id of named.ids) ids.add(id)
        for (const section of named.sections) sections.add(section)
      }
    }
  }
  return { ids, sections }
}

function testFiles(folder: string): readonly string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (SKIPPED.has(entry.name)) return []
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return testFiles(path)
    return entry.name.endsWith('.test.ts') ? [path] : []
  })
}

/** What is required and named by no test, for people. */
export function missing(named: Named = namedByTests()): readonly string[] {
  const ids = Object.entries(REQUIRED_IDS).flatMap(([part, required]) =>
    required.filter((id) => !named.ids.has(id)).map((id) => `${id} (${part})`),
  )
  const sections = REQUIRED_SECTIONS.filter((section) => !named.sections.has(section))
  return [...ids, ...sections.map((section) => `kong.md §${section}`)]
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const named = namedByTests()
  const lines = missing(named)
  process.stdout.write(
    lines.length === 0
      ? `tests name ${named.ids.size} fault ids and ${named.sections.size} sections; nothing required is missing\n`
      : `no test names:\n${lines.map((line) => `  ${line}\n`).join('')}`,
  )
  if (lines.length > 0) process.exitCode = 1
}
