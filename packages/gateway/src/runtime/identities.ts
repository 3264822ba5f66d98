import type { Clock, ConsumerRef, Identities, KnownCredential } from '@pratu/plugin-kit'
import type { Credential, Entities } from '../config/index.ts'
import type { Steps } from './slices.ts'

interface IndexedCredential extends KnownCredential {
  readonly expiresAtSeconds: number | undefined
}

/** Consumers and credentials of one configuration, indexed for plugins. */
export function* createIdentities(entities: Entities, clock: Clock): Steps<Identities> {
  const consumers = new Map<string, ConsumerRef>()
  for (const consumer of entities.consumers) {
    yield
    consumers.set(consumer.id, consumer)
    // A username that looks like another consumer's id must not shadow it.
    if (consumer.username !== undefined && !consumers.has(consumer.username)) {
      consumers.set(consumer.username, consumer)
    }
  }
  const byKind = new Map<string, Map<string, IndexedCredential>>()
  for (const credential of entities.credentials) {
    yield
    const consumer = consumers.get(credential.consumerId)
    if (consumer === undefined) continue
    index(byKind, credential, consumer)
  }
  return {
    consumer: (idOrUsername) => consumers.get(idOrUsername),
    credential(kind, lookup) {
      const known = byKind.get(kind)?.get(lookup)
      if (known === undefined) return undefined
      const { expiresAtSeconds } = known
      const expired = expiresAtSeconds !== undefined && expiresAtSeconds * 1000 <= clock.now()
      return expired ? undefined : known
    },
  }
}

function index(
  byKind: Map<string, Map<string, IndexedCredential>>,
  { kind, id, lookup, expiresAtSeconds }: Credential,
  consumer: ConsumerRef,
): void {
  let credentials = byKind.get(kind)
  if (credentials === undefined) byKind.set(kind, (credentials = new Map()))
  credentials.set(lookup, { credential: { id, kind }, consumer, expiresAtSeconds })
}
