import type { Problem } from '../diagnostics.ts'
import type { Consumer } from '../entities.ts'
import { openRoute } from './open-route.ts'
import { AUTHENTICATION, consumerName, listed, type Subject } from './subject.ts'

/** Consumers that no request can ever belong to. */
export function unusedConsumer(subject: Subject): readonly Problem[] {
  const { credentials, consumers } = subject.entities
  const kinds = new Map<string, Set<string>>()
  for (const { consumerId, kind } of credentials) {
    const known = kinds.get(consumerId)
    if (known === undefined) kinds.set(consumerId, new Set([kind]))
    else known.add(kind)
  }
  const anonymous = anonymousConsumers(subject)
  const nameless = consumers.filter(
    (consumer) => !kinds.has(consumer.id) && !isNamed(consumer, anonymous),
  )
  const unasked = consumers.filter((consumer) => {
    const own = kinds.get(consumer.id)
    return own !== undefined && !isNamed(consumer, anonymous) && !isAskedFor(subject, own)
  })
  return [
    ...withoutCredential(subject, nameless),
    // Where no route asks for anything, that is the matter, and it is told already.
    ...(openRoute(subject).length > 0 ? [] : withUnusedCredential(subject, unasked)),
  ]
}

function withoutCredential(subject: Subject, consumers: readonly Consumer[]): readonly Problem[] {
  const [first] = consumers
  if (first === undefined) return []
  return [
    {
      severity: 'advice',
      code: 'unused-consumer',
      path: subject.place(first),
      message: `no request can belong to consumer ${listed(consumers.map(consumerName))}, who has no credential`,
      hint: 'plugins and groups of this consumer have no effect. Give it a credential, or remove it',
      fix: [
        'keyauth_credentials:',
        '- key_sha256: <64 hexadecimal digits from `pratu keys new`>',
      ].join('\n'),
    },
  ]
}

function withUnusedCredential(
  subject: Subject,
  consumers: readonly Consumer[],
): readonly Problem[] {
  const [first] = consumers
  if (first === undefined) return []
  const kind = subject.entities.credentials.find(({ consumerId }) => consumerId === first.id)?.kind
  const plugin = AUTHENTICATION.get(kind ?? '') ?? 'key-auth'
  return [
    {
      severity: 'advice',
      code: 'unused-consumer',
      path: subject.place(first),
      message: `no request can belong to consumer ${listed(consumers.map(consumerName))}: no route asks for such credentials`,
      hint: `${plugin} is switched on nowhere. Switch it on, or remove the consumer`,
      fix: ['plugins:', `- name: ${plugin}`].join('\n'),
    },
  ]
}

function isAskedFor(subject: Subject, kinds: ReadonlySet<string>): boolean {
  return [...kinds].some((kind) => {
    const plugin = AUTHENTICATION.get(kind)
    // A credential for a plugin that is not known here may well be asked for.
    return plugin === undefined || subject.hasPlugin(plugin)
  })
}

/** Who stands in for callers without a credential, by id or name. */
function anonymousConsumers(subject: Subject): ReadonlySet<unknown> {
  return new Set(subject.plugins.map((plugin) => subject.writtenAs(plugin, 'config', 'anonymous')))
}

function isNamed({ id, username }: Consumer, names: ReadonlySet<unknown>): boolean {
  return names.has(id) || (username !== undefined && names.has(username))
}
