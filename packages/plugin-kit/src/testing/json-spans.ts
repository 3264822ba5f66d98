/**
 * Where the values of an object's top-level members are, in bytes.
 *
 * @param text valid JSON.
 */
export function topLevelSpans(text: string): ReadonlyMap<string, readonly [number, number]> {
  const spans = new Map<string, readonly [number, number]>()
  const token = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g
  let depth = 0
  let name: string | undefined
  let start = -1
  let end = -1
  for (let match = token.exec(text); match !== null; match = token.exec(text)) {
    const [word] = match
    const closes = word === '}' || word === ']'
    if (closes) depth--
    if ((closes && depth === 0) || (word === ',' && depth === 1)) {
      if (name !== undefined && start >= 0)
        spans.set(name, [byteAt(text, start), byteAt(text, end)])
      name = undefined
      start = -1
      continue
    }
    const isName = depth === 1 && name === undefined && word.startsWith('"')
    if (isName) name = String(JSON.parse(word))
    else if (depth >= 1 && name !== undefined && !(depth === 1 && word === ':')) {
      if (start < 0) start = match.index
      end = token.lastIndex
    }
    if (word === '{' || word === '[') depth++
  }
  return spans
}

function byteAt(text: string, index: number): number {
  return new TextEncoder().encode(text.slice(0, index)).length
}
