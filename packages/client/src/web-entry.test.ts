import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

/** Every module that an entry loads, by its relative imports, and what it imports besides. */
function graph(entry: string): { readonly files: Set<string>; readonly foreign: Set<string> } {
  const files = new Set<string>()
  const foreign = new Set<string>()
  const visit = (url: URL): void => {
    if (files.has(url.href)) return
    files.add(url.href)
    const text = readFileSync(url, 'utf8')
    const imports =
      /^(?:import|export)\s(?!type\b)[^'"]*?from\s+'([^']+)'|import\('([^']+)'\)|^import\s+'([^']+)'/gm
    for (const [, from, dynamic, bare] of text.matchAll(imports)) {
      const name = from ?? dynamic ?? bare ?? ''
      if (name.startsWith('.')) visit(new URL(name, url))
      else foreign.add(name)
    }
  }
  visit(new URL(entry, import.meta.url))
  return { files, foreign }
}

interface Manifest {
  readonly exports: { readonly '.': Readonly<Record<string, string>> }
}

const { exports } = JSON.parse(
  readFileSync(new URL('../package.json', import.meta.url), 'utf8'),
) as Manifest

test.each(Object.entries(exports['.']))(
  'what is loaded under the condition %s',
  (condition, file) => {
    const { files, foreign } = graph(file.replace('./src/', './'))
    expect(files.size).toBeGreaterThan(10)
    expect([...foreign]).toEqual(condition === 'node' ? ['undici'] : [])
    const texts = [...files].map((url) => readFileSync(new URL(url), 'utf8')).join('\n')
    if (condition !== 'node') expect(texts).not.toMatch(/\b(?:process|Buffer|require)\b[.[(]/)
  },
)

test('the web comes before Node in the order of conditions, and is the default', () => {
  const conditions = Object.keys(exports['.'])
  expect(conditions.indexOf('browser')).toBeLessThan(conditions.indexOf('node'))
  expect(conditions.at(-1)).toBe('default')
})
