import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { METRICS } from './metric-names.ts'

const PAGE = join(import.meta.dirname, '../../../../docs/metrics.md')

/** Rows `| `name` | type | labels | … |` of the page. */
function rows(): Map<string, { readonly type: string; readonly labels: string }> {
  const found = new Map<string, { type: string; labels: string }>()
  for (const line of readFileSync(PAGE, 'utf8').split('\n')) {
    const row = /^\| `(\w+)` +\| (counter|gauge|histogram) +\| (.*?) *\|/.exec(line)
    if (row === null) continue
    const [, name = '', type = '', labels = ''] = row
    expect(found.has(name), `${name} is described twice`).toBe(false)
    found.set(name, { type, labels })
  }
  return found
}

test('docs/metrics.md describes exactly the metrics that exist, with their types and labels', () => {
  const expected = new Map(
    Object.entries(METRICS).map(([name, { type, labels }]) => [
      name,
      {
        type,
        labels: labels.length === 0 ? '–' : labels.map((label) => `\`${label}\``).join(', '),
      },
    ]),
  )
  expect(Object.fromEntries(rows())).toEqual(Object.fromEntries(expected))
})
