export interface MediaType {
  readonly type: string
  readonly subtype: string
  /** Lower-case name → value as written, without quotes. */
  readonly parameters: ReadonlyMap<string, string>
}

const PARAMETER = /;\s*([^\s=;]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*))\s*/gy

/** Reads `type/subtype; name=value`, case-insensitive but for the values. @returns `undefined` for anything else. */
export function parseMediaType(text: string): MediaType | undefined {
  const essence = /^\s*([^\s/;]+)\/([^\s/;]+)\s*/.exec(text)
  if (essence?.[1] === undefined || essence[2] === undefined) return undefined
  const parameters = new Map<string, string>()
  PARAMETER.lastIndex = essence[0].length
  let end = PARAMETER.lastIndex
  for (let match = PARAMETER.exec(text); match !== null; match = PARAMETER.exec(text)) {
    const [, name = '', quoted, plain = ''] = match
    parameters.set(name.toLowerCase(), quoted?.replaceAll(/\\(.)/g, '$1') ?? plain)
    end = PARAMETER.lastIndex
  }
  if (!/^[;\s]*$/.test(text.slice(end))) return undefined
  return { type: essence[1].toLowerCase(), subtype: essence[2].toLowerCase(), parameters }
}

/**
 * Whether an answer of type `actual` is of the type that a configuration lists.
 *
 * @param withParameters Kong's rule (kong.md §3.4): parameters must be equal in number and value, so that
 *   `application/json` is not `application/json; charset=utf-8`.
 */
export function matchesMediaType(
  listed: MediaType,
  actual: MediaType,
  withParameters: boolean,
): boolean {
  if (listed.type !== '*' && listed.type !== actual.type) return false
  if (listed.subtype !== '*' && listed.subtype !== actual.subtype) return false
  if (!withParameters) return true
  if (listed.parameters.size !== actual.parameters.size) return false
  for (const [name, value] of listed.parameters) {
    if (actual.parameters.get(name) !== value) return false
  }
  return true
}
