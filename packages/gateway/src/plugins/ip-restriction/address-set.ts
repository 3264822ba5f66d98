import { BlockList, isIP } from 'node:net'

/** Tells whether an address is in a set of addresses and ranges; IPv4 in IPv6's clothes counts as IPv4. */
export type AddressSet = (address: string) => boolean

/** @param entries addresses and CIDR ranges of both families; judged by the schema before. */
export function createAddressSet(entries: readonly string[]): AddressSet {
  const list = new BlockList()
  for (const entry of entries) {
    const slash = entry.indexOf('/')
    const address = slash < 0 ? entry : entry.slice(0, slash)
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4'
    if (slash < 0) list.addAddress(address, family)
    else list.addSubnet(address, Number(entry.slice(slash + 1)), family)
  }
  return (address) => {
    const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1]
    if (mapped !== undefined && list.check(mapped, 'ipv4')) return true
    return list.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4')
  }
}
