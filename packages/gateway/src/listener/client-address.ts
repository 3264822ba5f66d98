import { BlockList, isIP } from 'node:net'
import type { HeaderView } from '@pratu/plugin-kit'
import { lowerCaseName } from '../http/index.ts'

/** Addresses remembered with the answer; the same few proxies come again and again. */
const MEMO_SIZE = 1024

/** Decides who a client is behind trusted proxies (nginx's real-ip rules, kong.md §2.8, S34). */
export class ClientAddress {
  readonly #trusted = new BlockList()
  readonly #trustsAnyone: boolean
  readonly #header: string
  readonly #recursive: boolean
  readonly #memo = new Map<string, boolean>()

  /**
   * @param trustedIps addresses and CIDR blocks, IPv4 and IPv6.
   * @throws {RangeError} for an entry that is neither.
   */
  constructor(trustedIps: readonly string[], header: string, recursive: boolean) {
    for (const entry of trustedIps) this.#trust(entry)
    this.#trustsAnyone = trustedIps.length > 0
    this.#header = lowerCaseName(header)
    this.#recursive = recursive
  }

  /** Whether forwarding headers from this address count. */
  isTrusted(ip: string): boolean {
    if (!this.#trustsAnyone) return false
    const known = this.#memo.get(ip)
    if (known !== undefined) return known
    const family = isIP(ip)
    const trusted = family !== 0 && this.#trusted.check(ip, family === 6 ? 'ipv6' : 'ipv4')
    if (this.#memo.size >= MEMO_SIZE) this.#memo.clear()
    this.#memo.set(ip, trusted)
    return trusted
  }

  /**
   * The client's address as a trusted peer reports it: the last address in the header; when recursive, the last one that
   * is not trusted itself. Where the header is absent or turns unreadable, the address known so far stays.
   */
  resolve(peerIp: string, headers: HeaderView): string {
    let found = peerIp
    const values = headers.all(this.#header)
    for (let i = values.length - 1; i >= 0; i--) {
      const hops = (values[i] ?? '').split(',')
      for (let hop = hops.length - 1; hop >= 0; hop--) {
        const ip = parseAddress((hops[hop] ?? '').trim())
        if (ip === undefined) return found
        found = ip
        if (!this.#recursive || !this.isTrusted(ip)) return found
      }
    }
    return found
  }

  #trust(entry: string): void {
    const [address = '', prefix, ...rest] = entry.trim().split('/')
    const family = isIP(address)
    const bits = prefix === undefined ? undefined : Number(prefix)
    const maxBits = family === 6 ? 128 : 32
    const isBlock = bits === undefined || (/^\d{1,3}$/.test(prefix ?? '') && bits <= maxBits)
    if (family === 0 || rest.length > 0 || !isBlock) {
      throw new RangeError(`trusted_ips: "${entry}" is neither an address nor a CIDR block`)
    }
    const type = family === 6 ? 'ipv6' : 'ipv4'
    if (bits === undefined) this.#trusted.addAddress(address, type)
    else this.#trusted.addSubnet(address, bits, type)
  }
}

const MAPPED_IPV4 = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i

/** IPv4 in its plain form also where a dual-stack socket reports it as IPv6. */
export function plainAddress(ip: string): string {
  return MAPPED_IPV4.exec(ip)?.[1] ?? ip
}

/** An address with or without brackets and port; `undefined` for anything else. */
function parseAddress(text: string): string | undefined {
  if (isIP(text) !== 0) return plainAddress(text)
  const bracketed = /^\[([^\]]+)\](?::\d{1,5})?$/.exec(text)?.[1]
  const bare = bracketed ?? /^([\d.]+):\d{1,5}$/.exec(text)?.[1]
  return bare !== undefined && isIP(bare) !== 0 ? plainAddress(bare) : undefined
}
