import { isIP } from 'node:net'
import type { Entities, PluginEntity, Target } from '../config/index.ts'
import type { ComputedSample } from '../observe/index.ts'

/** Kong's states of a target; one of them is 1 (kong.md §3.6). */
const STATES = ['healthchecks_off', 'healthy', 'unhealthy', 'dns_error'] as const

/**
 * The series of `kong_upstream_target_health`: every target of every upstream, when an instance of the prometheus plugin
 * asks for it. Health checks are not served yet, so the state is always `healthchecks_off`.
 */
export function* upstreamHealth(entities: Entities | undefined): Iterable<ComputedSample> {
  if (entities === undefined || !entities.plugins.some(asksForHealth)) return
  for (const { name, targets } of entities.upstreams) {
    for (const target of targets) {
      const text = addressOf(target)
      // Kong resolves names for this label; a scrape must not wait for a name server.
      const address = isIP(target.host) === 0 ? '' : text
      for (const state of STATES) {
        yield [[name, text, address, state, 'http'], state === 'healthchecks_off' ? 1 : 0]
      }
    }
  }
}

function asksForHealth({ name, enabled, config }: PluginEntity): boolean {
  return (
    name === 'prometheus' &&
    enabled &&
    typeof config === 'object' &&
    config !== null &&
    'upstreamHealthMetrics' in config &&
    config.upstreamHealthMetrics === true
  )
}

function addressOf({ host, port }: Target): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}
