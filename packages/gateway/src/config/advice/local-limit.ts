import type { Problem } from '../diagnostics.ts'
import type { PluginEntity } from '../entities.ts'
import { LIMITERS, type Subject } from './subject.ts'

const WINDOWS = ['second', 'minute', 'hour', 'day', 'month', 'year']
/** What the advice calculates with; nobody but the user knows how many there are. */
const REPLICAS = 3

/** Limits that every replica counts for itself. */
export function localLimit(subject: Subject): readonly Problem[] {
  const local = subject.plugins.filter(
    (plugin) =>
      LIMITERS.has(plugin.name) &&
      (subject.writtenAs(plugin, 'config', 'policy') ?? 'local') === 'local',
  )
  const [first] = local
  if (first === undefined) return []
  const limit = limitOf(subject, first)
  const others = local.length - 1
  return [
    {
      severity: 'advice',
      code: 'local-limit',
      path: subject.place(first, 'config', 'policy'),
      message: `${first.name} ${subject.scopeName(first)} counts in each replica for itself (policy: local)${others > 0 ? `, and so do ${others} more` : ''}`,
      hint:
        limit === undefined
          ? `with ${REPLICAS} replicas callers get ${REPLICAS} times the limit. Workers of one process count together`
          : `with ${REPLICAS} replicas ${limit.window}: ${limit.value} lets ${REPLICAS * limit.value} through. Workers of one process count together; divide the limit by the number of replicas, or count in Redis`,
      fix: [
        `- name: ${first.name}`,
        '  config:',
        ...(limit === undefined ? [] : [`    ${limit.window}: ${limit.value}`]),
        '    policy: redis   # all replicas see the same numbers',
        '    redis:',
        '      host: redis',
        '      password: $(REDIS_PASSWORD)',
      ].join('\n'),
    },
  ]
}

function limitOf(
  subject: Subject,
  plugin: PluginEntity,
): { readonly window: string; readonly value: number } | undefined {
  for (const window of WINDOWS) {
    const value = subject.writtenAs(plugin, 'config', window)
    if (typeof value === 'number') return { window, value }
  }
  return undefined
}
