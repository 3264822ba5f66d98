import type { Problem } from '../diagnostics.ts'
import type { PluginEntity } from '../entities.ts'
import { LIMITERS, type Subject } from './subject.ts'

/** Rules about client addresses where the address seen is that of whatever stands in front. */
export function clientAddress(subject: Subject): readonly Problem[] {
  if (subject.settings.trustedIps.length > 0) return []
  const alike = new Map<string, PluginEntity[]>()
  for (const plugin of subject.plugins) {
    const consequence = consequenceOf(subject, plugin)
    if (consequence === undefined) continue
    const known = alike.get(consequence)
    if (known === undefined) alike.set(consequence, [plugin])
    else known.push(plugin)
  }
  return [...alike].flatMap(([consequence, [first, ...others]]) =>
    first === undefined ? [] : [problemFor(subject, first, consequence, others.length)],
  )
}

function problemFor(
  subject: Subject,
  plugin: PluginEntity,
  consequence: string,
  others: number,
): Problem {
  return {
    severity: 'advice',
    code: 'client-address',
    path: subject.place(plugin),
    message: `${plugin.name} ${subject.scopeName(plugin)} ${consequence}${others > 0 ? ` (and ${others} more like it)` : ''}`,
    hint: 'no address is trusted, so X-Forwarded-For is not believed and every request seems to come from the ingress. Trust the addresses of your ingress, and of nothing else; without one in front there is nothing to do',
    fix: [
      'env:',
      '- name: PRATU_TRUSTED_IPS',
      '  value: 10.0.0.0/8   # the addresses of the ingress pods',
      '- name: PRATU_REAL_IP_HEADER',
      '  value: X-Forwarded-For',
    ].join('\n'),
  }
}

function consequenceOf(subject: Subject, plugin: PluginEntity): string | undefined {
  if (plugin.name === 'ip-restriction') {
    return 'judges the address of the ingress, not of the client, when one is in front'
  }
  // Its limits say one by one whom they count for.
  if (!LIMITERS.has(plugin.name) || plugin.name === 'ai-limits') return undefined
  const limitBy = subject.writtenAs(plugin, 'config', 'limit_by') ?? 'consumer'
  if (limitBy === 'ip') return 'counts by address: behind an ingress all clients share one limit'
  if (limitBy !== 'consumer' && limitBy !== 'credential') return undefined
  if (plugin.consumerId !== undefined) return undefined
  const unguarded = subject.routesUnder(plugin).some((route) => !subject.isGuarded(route))
  return unguarded
    ? 'counts by address where callers are not known: behind an ingress all clients share one limit'
    : undefined
}
