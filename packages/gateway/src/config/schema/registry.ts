import { caCertificates, certificates, snis } from './certificates.ts'
import type { Collection } from './collection.ts'
import { consumers } from './consumers.ts'
import {
  acls,
  basicauthCredentials,
  hmacauthCredentials,
  jwtSecrets,
  keyauthCredentials,
} from './credentials.ts'
import { plugins } from './plugins.ts'
import { providers } from './providers.ts'
import { routes } from './routes.ts'
import { services } from './services.ts'
import { unserved } from './unserved.ts'
import { targets, upstreams } from './upstreams.ts'
import { vaults } from './vaults.ts'

/** Every collection that a configuration may have. */
export const collections: readonly Collection[] = [
  services,
  routes,
  upstreams,
  targets,
  consumers,
  keyauthCredentials,
  basicauthCredentials,
  jwtSecrets,
  hmacauthCredentials,
  acls,
  plugins,
  certificates,
  snis,
  caCertificates,
  vaults,
  providers,
  ...unserved,
]

const byName: ReadonlyMap<string, Collection> = new Map(
  collections.map((collection) => [collection.name, collection]),
)

export function collectionNamed(name: string): Collection | undefined {
  return byName.get(name)
}

/** A collection that may be nested in another one, and the foreign key that nesting sets. */
export interface Child {
  readonly collection: Collection
  readonly field: string
}

const childrenByParent: ReadonlyMap<string, ReadonlyMap<string, Child>> = new Map(
  collections.map((parent) => [parent.name, childrenOf(parent)]),
)

function childrenOf(parent: Collection): ReadonlyMap<string, Child> {
  const children = new Map<string, Child>()
  for (const collection of collections)
    for (const [field, target] of Object.entries(collection.references))
      if (target === parent.name) children.set(collection.name, { collection, field })
  return children
}

/** What may be nested in an entry of this collection, by the field's name (kong.md §1.3). */
export function nestedIn(collection: Collection): ReadonlyMap<string, Child> {
  return childrenByParent.get(collection.name) ?? new Map<string, Child>()
}
