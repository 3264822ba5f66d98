import type { RedisSettings, SecretText } from '@pratu/plugin-kit'

/** Equal for settings that can share a connection. Contains secrets: a map key, never to be shown. */
export function connectionKey(settings: RedisSettings): string {
  const { username, password, sentinelUsername, sentinelPassword } = settings
  return JSON.stringify([
    settings.topology,
    settings.nodes.map(({ host, port }) => [host.toLowerCase(), port]),
    settings.masterName,
    ...[username, password, sentinelUsername, sentinelPassword].map(revealed),
    settings.database,
    settings.tls,
    settings.timeoutMs,
  ])
}

/** For log lines: where it is, and nothing secret. */
export function describeRedis({ topology, nodes, masterName, database }: RedisSettings): string {
  const places = nodes.map(({ host, port }) => `${host}:${port}`).join(',')
  if (topology === 'cluster') return `cluster ${places}`
  return topology === 'sentinel'
    ? `sentinel ${masterName ?? ''}@${places}/${database}`
    : `${places}/${database}`
}

/** Kong sends no AUTH for an empty password (kong.md §3.3: "may be empty"). */
export function revealed(secret: SecretText | undefined): string | undefined {
  const text = secret?.reveal()
  return text === '' ? undefined : text
}
