import type { RedisEndpoint, RedisSettings, SecretText } from '@pratu/plugin-kit'

const FORM =
  /^redis(?<tls>s?)(?:\+(?<kind>cluster|sentinel))?:\/\/(?:(?<login>[^@/]*)@)?(?<nodes>[^/@?#]+)(?<path>(?:\/[^/?#]*){0,2})$/

/**
 * Reads where a Redis is from one text:
 *
 *     redis://user:password@host:6379/0            rediss:// for TLS, whose certificate is verified
 *     redis+cluster://user:password@host:6379,host:6379
 *     redis+sentinel://user:password@host:26379,host:26379/master-name/0
 *
 * What is special in a URL is percent-encoded in names and passwords.
 *
 * @returns `undefined` when the text has none of these forms.
 */
export function parseRedisUrl(text: string, timeoutMs: number): RedisSettings | undefined {
  const groups = FORM.exec(text)?.groups
  if (groups === undefined) return undefined
  const kind = groups['kind']
  const nodes = nodesOf(groups['nodes'] ?? '', kind === 'sentinel' ? 26_379 : 6379)
  const path = (groups['path'] ?? '').split('/').slice(1)
  const masterName = kind === 'sentinel' ? path.shift() : undefined
  const database = databaseOf(path.shift())
  const login = loginOf(groups['login'])
  if (nodes === undefined || database === undefined || login === undefined) return undefined
  if (path.length > 0 || (kind === 'sentinel' && (masterName ?? '') === '')) return undefined
  if (kind === 'cluster' && database !== 0) return undefined
  if (kind === undefined && nodes.length !== 1) return undefined
  return {
    topology: kind === 'cluster' || kind === 'sentinel' ? kind : 'single',
    nodes,
    masterName,
    username: secret(login.username),
    password: secret(login.password),
    database,
    tls: groups['tls'] === 's' ? { verify: true, serverName: undefined } : undefined,
    timeoutMs,
  }
}

function nodesOf(text: string, defaultPort: number): readonly RedisEndpoint[] | undefined {
  const nodes: RedisEndpoint[] = []
  for (const one of text.split(',')) {
    const match = /^(?:\[([0-9a-f:.]+)\]|([^[\]:]+))(?::(\d{1,5}))?$/i.exec(one)
    const host = match?.[1] ?? match?.[2]
    const port = Number(match?.[3] ?? defaultPort)
    if (host === undefined || port > 65_535) return undefined
    nodes.push({ host, port })
  }
  return nodes
}

function databaseOf(text = ''): number | undefined {
  return /^\d{0,5}$/.test(text) ? Number(text) : undefined
}

interface Login {
  readonly username: string
  readonly password: string
}

/** A login without a colon is a user name, as in other URLs. */
function loginOf(text = ''): Login | undefined {
  const colon = text.indexOf(':')
  const [username, password] =
    colon < 0 ? [text, ''] : [text.slice(0, colon), text.slice(colon + 1)]
  try {
    return { username: decodeURIComponent(username), password: decodeURIComponent(password) }
  } catch {
    return undefined
  }
}

function secret(text: string): SecretText | undefined {
  return text === '' ? undefined : { reveal: () => text }
}
