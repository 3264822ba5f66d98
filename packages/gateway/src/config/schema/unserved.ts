import * as field from '../fields.ts'
import { type Collection, commonFields, defineCollection } from './collection.ts'

/**
 * Collections of Kong and of its bundled plugins that load so that an existing file loads, and that nothing here uses:
 * their entries are checked for shape and identity only.
 */
function defineUnserved(
  name: string,
  singular: string,
  references: Readonly<Record<string, string>>,
  identity?: 'named',
): Collection {
  return defineCollection({
    name,
    singular,
    schema: field.openRecord({ ...commonFields, name: field.optional(field.string()) }),
    references,
    nameField: 'name',
    unique: identity === undefined ? [] : ['name'],
    key: (value) => (identity === undefined ? undefined : value.name),
    build(_value, row, context) {
      for (const reference of Object.keys(references)) {
        const target = row.raw[reference]
        context.resolve(row, reference, typeof target === 'string' ? target : undefined)
      }
    },
  })
}

export const unserved: readonly Collection[] = [
  defineUnserved('oauth2_credentials', 'oauth2_credential', { consumer: 'consumers' }),
  defineUnserved('oauth2_tokens', 'oauth2_token', {
    credential: 'oauth2_credentials',
    service: 'services',
  }),
  defineUnserved('oauth2_authorization_codes', 'oauth2_authorization_code', {
    credential: 'oauth2_credentials',
    service: 'services',
  }),
  defineUnserved('sessions', 'session', {}),
  defineUnserved('ratelimiting_metrics', 'ratelimiting_metric', {}),
  defineUnserved('response_ratelimiting_metrics', 'response_ratelimiting_metric', {}),
  defineUnserved('acme_storage', 'acme_storage', {}),
  defineUnserved('key_sets', 'key_set', {}, 'named'),
  defineUnserved('keys', 'key', { set: 'key_sets' }, 'named'),
  defineUnserved(
    'filter_chains',
    'filter_chain',
    { route: 'routes', service: 'services' },
    'named',
  ),
  defineUnserved('parameters', 'parameter', {}),
  defineUnserved('workspaces', 'workspace', {}, 'named'),
  defineUnserved('clustering_data_planes', 'clustering_data_plane', {}),
]
