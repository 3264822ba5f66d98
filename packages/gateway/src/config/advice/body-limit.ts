import type { Problem } from '../diagnostics.ts'
import type { PluginEntity } from '../entities.ts'
import { type Subject } from './subject.ts'

const MIB = 1_048_576
/** What an ingress in front of AI traffic is usually told to let through: images and documents travel in bodies. */
const INGRESS_BYTES = 50 * MIB

const UNIT_BYTES = new Map([
  ['megabytes', MIB],
  ['kilobytes', 1024],
  ['bytes', 1],
])

/** Limits on bodies of AI requests below what an ingress in front lets through. */
export function bodyLimit(subject: Subject): readonly Problem[] {
  if (subject.aiServices().length === 0) return []
  return [...nodeLimit(subject), ...pluginLimits(subject)]
}

function nodeLimit(subject: Subject): readonly Problem[] {
  const { aiBodyBytes } = subject.settings.limits
  if (aiBodyBytes >= INGRESS_BYTES) return []
  return [
    {
      severity: 'advice',
      code: 'body-limit',
      path: [],
      outside: 'PRATU_MAX_AI_BODY_SIZE',
      message: `AI requests of more than ${inWords(aiBodyBytes)} are answered 413, while an ingress with proxy-body-size: 50m lets them through`,
      hint: 'images and documents travel in the body; let the gateway take what the ingress takes',
      fix: ['env:', '- name: PRATU_MAX_AI_BODY_SIZE', '  value: 50m'].join('\n'),
    },
  ]
}

function pluginLimits(subject: Subject): readonly Problem[] {
  return subject.plugins.flatMap((plugin) => {
    if (plugin.name !== 'request-size-limiting' || !isOnAi(subject, plugin)) return []
    const bytes = allowedBytes(subject, plugin)
    if (bytes === undefined || bytes >= INGRESS_BYTES) return []
    return [
      {
        severity: 'advice',
        code: 'body-limit',
        path: subject.place(plugin, 'config', 'allowed_payload_size'),
        message: `request-size-limiting ${subject.scopeName(plugin)} refuses AI requests of more than ${inWords(bytes)}, while an ingress with proxy-body-size: 50m lets them through`,
        hint: 'images and documents travel in the body; if the limit is meant, let the ingress have the same',
        fix: [
          '- name: request-size-limiting',
          '  config:',
          '    allowed_payload_size: 50   # megabytes',
        ].join('\n'),
      },
    ]
  })
}

function isOnAi(subject: Subject, plugin: PluginEntity): boolean {
  return subject.servicesUnder(plugin).some(({ aiFormat }) => aiFormat !== undefined)
}

function allowedBytes(subject: Subject, plugin: PluginEntity): number | undefined {
  const size = subject.writtenAs(plugin, 'config', 'allowed_payload_size')
  const unit = subject.writtenAs(plugin, 'config', 'size_unit') ?? 'megabytes'
  const bytes = typeof unit === 'string' ? UNIT_BYTES.get(unit) : undefined
  return typeof size === 'number' && bytes !== undefined ? size * bytes : undefined
}

function inWords(bytes: number): string {
  return bytes >= MIB ? `${Math.floor(bytes / MIB)} MiB` : `${bytes} bytes`
}
