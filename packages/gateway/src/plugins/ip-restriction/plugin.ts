import { isIP } from 'node:net'
import { definePlugin, refuse, type Plugin } from '@pratu/plugin-kit'
import { createAddressSet } from './address-set.ts'
import { ipRestrictionSchema, type IpRestrictionConfig } from './config.ts'

/** Lets requests pass by the client's address: first the deny list, then the allow list (kong.md §3.10). */
export const ipRestriction = definePlugin<IpRestrictionConfig>({
  name: 'ip-restriction',
  priority: 990,
  schema: ipRestrictionSchema,

  create(config): Plugin {
    const isDenied = createAddressSet(config.deny)
    const isAllowed = createAddressSet(config.allow)
    const everyoneElse = config.allow.length === 0

    return {
      access({ request }) {
        // Already judged by `trusted_ips`: a forwarded address only counts from a trusted peer (S34).
        const { clientIp } = request
        if (isIP(clientIp) === 0) {
          return refuse(403, 'ip_not_allowed', 'Cannot identify the client IP address')
        }
        if (!isDenied(clientIp) && (everyoneElse || isAllowed(clientIp))) return undefined
        const message = config.message ?? `IP address not allowed: ${clientIp}`
        return refuse(config.status, 'ip_not_allowed', message)
      },
    }
  },
})
