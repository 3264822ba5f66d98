import { field } from '../../config/index.ts'

/** Kong's fields and defaults (kong.md §3.7). */
export const aclSchema = field
  .record({
    allow: field.optional(field.array(field.string())),
    deny: field.optional(field.array(field.string())),
    hide_groups_header: field.boolean(false),
    always_use_authenticated_groups: field.boolean(false),
  })
  .check(field.exactlyOneOf('allow', 'deny'))
  .transform((config) => ({
    /** Whether being in one of `groups` lets a consumer in, or keeps it out. */
    rule: config.deny === undefined || config.deny.length === 0 ? 'allow' : 'deny',
    groups: new Set(config.allow?.length ? config.allow : config.deny),
    hideGroupsHeader: config.hide_groups_header,
  }))

export type AclConfig = ReturnType<(typeof aclSchema)['parse']>
