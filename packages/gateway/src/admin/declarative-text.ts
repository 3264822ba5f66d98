import type { WireDocument, WireEntity } from './kong-wire.ts'

/**
 * A configuration as a file in Kong's flat form: foreign keys are ids as plain strings (kong.md §1.3). Values are
 * written as JSON, which YAML contains: a general YAML writer would stall requests for a second at 10,000 routes (F53).
 */
export function toDeclarativeText(
  document: WireDocument,
  compatibility: 'pratu' | 'kong' | undefined,
): string {
  let text = '_format_version: "3.0"\n'
  if (compatibility === 'kong') text += 'compatibility: kong\n'
  for (const [name, rows] of document) {
    if (rows.length > 0) text += `${name}:\n${rows.map(rowText).join('')}`
  }
  return text
}

function rowText(row: WireEntity): string {
  let text = ''
  for (const [name, value] of Object.entries(row)) {
    // Absent and null are the same to a reader.
    if (value === null || value === undefined) continue
    text += `${text === '' ? '- ' : '  '}${name}: ${JSON.stringify(referenceOr(value))}\n`
  }
  return text
}

function referenceOr(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  const isReference = 'id' in value && Object.keys(value).length === 1
  return isReference ? value.id : value
}
