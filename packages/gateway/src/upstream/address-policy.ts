import { BlockList, isIPv6 } from 'node:net'

/** Whether a connection may be opened to this address (no brackets). Asked for every connect, after resolution. */
export type AddressPolicy = (address: string) => boolean

const forbidden = new BlockList()
// The cloud's metadata services. An IPv4-mapped address matches its IPv4 rule.
forbidden.addSubnet('169.254.0.0', 16, 'ipv4')
forbidden.addSubnet('fe80::', 10, 'ipv6')
forbidden.addAddress('fd00:ec2::254', 'ipv6')
forbidden.addAddress('fd20:ce::254', 'ipv6')
// 169.254.0.0/16 in disguise: IPv4-compatible, NAT64, 6to4.
forbidden.addSubnet('::a9fe:0', 112, 'ipv6')
forbidden.addSubnet('64:ff9b::a9fe:0', 112, 'ipv6')
forbidden.addSubnet('2002:a9fe::', 32, 'ipv6')

/**
 * The default rule (S16): link-local addresses, where clouds keep their metadata services, are refused whatever name
 * led there. Loopback and private ranges are allowed, since upstreams are configured and never chosen by a client.
 */
export function isAllowedAddress(address: string): boolean {
  const zone = address.indexOf('%')
  const bare = zone === -1 ? address : address.slice(0, zone)
  return !forbidden.check(bare, isIPv6(bare) ? 'ipv6' : 'ipv4')
}
