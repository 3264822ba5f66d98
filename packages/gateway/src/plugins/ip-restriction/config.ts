import { field } from '../../config/index.ts'

/** Kong's fields and defaults (kong.md §3.10). */
export const ipRestrictionSchema = field
  .record({
    allow: field.optional(field.array(field.ipOrCidr())),
    deny: field.optional(field.array(field.ipOrCidr())),
    status: field.optional(field.integer({ between: [400, 599] })),
    message: field.optional(field.string()),
  })
  .check(field.atLeastOneOf('allow', 'deny'))
  .transform(({ allow, deny, status, message }) => ({
    allow: allow ?? [],
    deny: deny ?? [],
    status: status ?? 403,
    message,
  }))

export type IpRestrictionConfig = ReturnType<(typeof ipRestrictionSchema)['parse']>
