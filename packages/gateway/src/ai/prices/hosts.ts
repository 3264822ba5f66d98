/** Where a provider answers: a host with at most one `*`, and the start of its path when there is a slash. */
export interface HostRule {
  readonly before: string
  /** `undefined` when the host has no `*`. */
  readonly after: string | undefined
  readonly path: string
}

export function parseHost(text: string): HostRule {
  const slash = text.indexOf('/')
  const host = (slash < 0 ? text : text.slice(0, slash)).toLowerCase()
  const path = slash < 0 ? '' : text.slice(slash)
  const star = host.indexOf('*')
  return star < 0
    ? { before: host, after: undefined, path }
    : { before: host.slice(0, star), after: host.slice(star + 1), path }
}

/** @param host lower-cased, without a port. @param path of the service; its own start counts. */
export function isAt(
  { before, after, path: start }: HostRule,
  host: string,
  path: string,
): boolean {
  const named =
    after === undefined
      ? host === before
      : host.length > before.length + after.length &&
        host.startsWith(before) &&
        host.endsWith(after)
  return named && (start === '' || path === start || path.startsWith(`${start}/`))
}
