import { field } from '../../config/index.ts'
import { isFieldValue } from '../../http/index.ts'

const REALM_RULE = (text: string): string | undefined =>
  isFieldValue(text) && !/["\\]/.test(text) ? undefined : `invalid value: ${text}`

/** Kong's fields and defaults (kong.md §3.2). */
export const keyAuthSchema = field
  .record({
    key_names: field.defaulted(field.array(field.headerName()), ['apikey']),
    hide_credentials: field.boolean(false),
    anonymous: field.optional(field.string()),
    key_in_header: field.boolean(true),
    key_in_query: field.boolean(true),
    key_in_body: field.boolean(false),
    run_on_preflight: field.boolean(true),
    realm: field.optional(field.text(REALM_RULE)),
  })
  .transform((config) => ({
    /** In the order in which they are tried. */
    keyNames: config.key_names.map((name) => ({ name, header: name.toLowerCase() })),
    hideCredentials: config.hide_credentials,
    /** Id or username of the consumer for callers without a valid key. */
    anonymous: config.anonymous,
    keyInHeader: config.key_in_header,
    keyInQuery: config.key_in_query,
    keyInBody: config.key_in_body,
    runOnPreflight: config.run_on_preflight,
    realm: config.realm,
  }))

export type KeyAuthConfig = ReturnType<(typeof keyAuthSchema)['parse']>

/** A configured name: as it is spelt, and as a header is looked up. */
export type KeyName = KeyAuthConfig['keyNames'][number]
