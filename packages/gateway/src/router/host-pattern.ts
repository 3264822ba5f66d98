/** One entry of a route's `hosts` (kong.md §2.2). */
export interface HostPattern {
  /** `suffix`: `*.a.b`, any host that ends in the text; `prefix`: `a.*`, any that starts with it. */
  readonly kind: 'exact' | 'suffix' | 'prefix'
  readonly text: string
  /** When given, the request's port must be this one. */
  readonly port: number | undefined
}

/** @throws {RangeError} when a wildcard is not the whole leftmost or rightmost label. */
export function parseHostPattern(pattern: string): HostPattern {
  const colon = portColon(pattern)
  const name = colon < 0 ? pattern : pattern.slice(0, colon)
  const port = colon < 0 ? undefined : Number(pattern.slice(colon + 1))
  if (!name.includes('*')) return { kind: 'exact', text: name, port }
  if (/^\*\.[^*]+$/.test(name)) return { kind: 'suffix', text: name.slice(1), port }
  if (/^[^*]+\.\*$/.test(name)) return { kind: 'prefix', text: name.slice(0, -1), port }
  throw new RangeError(
    `host \`${pattern}\`: a wildcard must be the whole leftmost or the whole rightmost label`,
  )
}

/** Whether the pattern stands for the name; its port is not looked at. */
export function covers(pattern: HostPattern, name: string): boolean {
  switch (pattern.kind) {
    case 'exact':
      return name === pattern.text
    case 'suffix':
      return name.endsWith(pattern.text)
    case 'prefix':
      return name.startsWith(pattern.text)
  }
}

/**
 * Where the port's colon is, or -1: the first colon, and only when nothing but digits follows. So `[::1]:80` has none,
 * as in Kong (kong.md §2.1).
 */
export function portColon(host: string): number {
  const colon = host.indexOf(':')
  if (colon < 0 || colon === host.length - 1) return -1
  for (let i = colon + 1; i < host.length; i += 1) {
    const unit = host.charCodeAt(i)
    if (unit < 0x30 || unit > 0x39) return -1
  }
  return colon
}
