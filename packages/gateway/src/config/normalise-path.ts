const RESERVED = new Set(Buffer.from("!*'();:@&=+$,/?%#[]", 'latin1'))

/**
 * Kong's normal form of a path (kong.md §2.1): escapes of unreserved characters decoded, the others upper-cased, dot
 * segments removed, slashes merged.
 */
export function normalisePath(path: string): string {
  return mergeSlashes(removeDotSegments(decodeUnreserved(path)))
}

function decodeUnreserved(path: string): string {
  if (!path.includes('%')) return path
  // Latin-1 keeps one byte per character, so that multi-byte escapes come together again at the end.
  const bytes = Buffer.from(path, 'utf8').toString('latin1')
  const decoded = bytes.replace(/%([0-9a-fA-F]{2})/g, (escape, hex: string) => {
    const code = Number.parseInt(hex, 16)
    return RESERVED.has(code) ? escape.toUpperCase() : String.fromCharCode(code)
  })
  return Buffer.from(decoded, 'latin1').toString('utf8')
}

function removeDotSegments(path: string): string {
  if (!path.includes('/.')) return path
  const kept: string[] = []
  const segments = path.split('/').slice(1)
  segments.forEach((segment, index) => {
    const last = index === segments.length - 1
    if (segment === '..') kept.pop()
    if (segment !== '.' && segment !== '..') kept.push(segment)
    else if (last) kept.push('')
  })
  return `/${kept.join('/')}`
}

function mergeSlashes(path: string): string {
  return path.replaceAll(/\/{2,}/g, '/')
}
