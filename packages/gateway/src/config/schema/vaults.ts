import * as field from '../fields.ts'
import { commonFields, defineCollection } from './collection.ts'

export const vaults = defineCollection({
  name: 'vaults',
  singular: 'vault',
  schema: field.record({
    ...commonFields,
    prefix: field.text((value) => {
      if (!/^[a-z][a-z0-9-]*[a-z0-9]$/.test(value)) return `invalid value: ${value}`
      return value === 'env' ? 'the name of a vault type cannot be a prefix' : undefined
    }),
    name: field.enumeration(['env']),
    description: field.optional(field.string()),
    config: field.filled(
      field.record({
        prefix: field.optional(field.string()),
        base64_decode: field.optional(field.boolean()),
      }),
    ),
  }),
  nameField: 'prefix',
  unique: ['prefix'],
  key: (value) => value.prefix,
})
