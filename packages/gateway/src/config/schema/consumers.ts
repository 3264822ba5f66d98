import * as field from '../fields.ts'
import { shared } from '../shared-values.ts'
import { commonFields, defineCollection } from './collection.ts'

export const consumers = defineCollection({
  name: 'consumers',
  singular: 'consumer',
  schema: field
    .record({
      ...commonFields,
      username: field.optional(field.string()),
      custom_id: field.optional(field.string()),
    })
    .check(field.atLeastOneOf('custom_id', 'username')),
  nameField: 'username',
  unique: ['username', 'custom_id'],
  key: (value) => value.username,
  build(value, row, context) {
    context.lists.consumers.push({
      id: row.id,
      username: value.username,
      customId: value.custom_id,
      groups: context.groups.of(row.id),
      tags: shared(value.tags),
    })
  },
})
