import type { CachedHead } from '@pratu/plugin-kit'

/** No field has a name that begins so, and labels stand before the fields. */
const LABEL = ':'

/**
 * Labels and fields as they are kept: names and values in turn, a line each.
 *
 * @returns `undefined` when one holds a line break, which HTTP has none of.
 */
export function headLines({ headers, labels }: Omit<CachedHead, 'status'>): string | undefined {
  for (const part of headers) if (part.includes('\n')) return undefined
  if (labels === undefined) return headers.join('\n')
  const lines: string[] = []
  for (const [name, value] of Object.entries(labels)) {
    if (name.includes('\n') || value.includes('\n')) return undefined
    lines.push(LABEL + name, value)
  }
  return lines.concat(headers).join('\n')
}

/** What {@link headLines} wrote. */
export function readHead(bytes: Buffer): Omit<CachedHead, 'status'> {
  if (bytes.length === 0) return { headers: [] }
  const lines = bytes.toString('utf8').split('\n')
  if (lines[0]?.startsWith(LABEL) !== true) return { headers: lines }
  const labels: Record<string, string> = {}
  let i = 0
  for (; lines[i]?.startsWith(LABEL) === true; i += 2)
    labels[(lines[i] ?? '').slice(1)] = lines[i + 1] ?? ''
  return { headers: lines.slice(i), labels }
}
