import { definePlugin, refuse, type Plugin, type Reply } from '@pratu/plugin-kit'
import { aclSchema, type AclConfig } from './config.ts'

/** Lets consumers pass by the groups they are in (kong.md §3.7). */
export const acl = definePlugin<AclConfig>({
  name: 'acl',
  priority: 950,
  schema: aclSchema,
  refuses: ['consumer'],

  create({ rule, groups, hideGroupsHeader }): Plugin {
    return {
      access({ consumer, credential, upstream }) {
        if (consumer === undefined) return turnAway(credential !== undefined)
        const mine = consumer.groups
        if (mine.length === 0 && rule === 'allow') return turnAway(credential !== undefined)
        const listed = mine.some((group) => groups.has(group))
        if (listed !== (rule === 'allow')) return turnAway(true)

        // The service believes these fields, so the client's own never get through.
        upstream.headers.delete('x-authenticated-groups')
        if (hideGroupsHeader || mine.length === 0) upstream.headers.delete('x-consumer-groups')
        else upstream.headers.set('X-Consumer-Groups', mine.join(', '))
        return undefined
      },
    }
  },
})

/** @param known whether the caller has shown a credential: then it is forbidden, else it may still show one. */
function turnAway(known: boolean): Reply {
  return known
    ? refuse(403, 'forbidden', 'You cannot consume this service')
    : refuse(401, 'unauthorized', 'Unauthorized')
}
