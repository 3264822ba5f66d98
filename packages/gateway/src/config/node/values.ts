import { isIP } from 'node:net'

import { parseRedisUrl } from '../../redis/index.ts'
import { isHostname, isIpOrCidr } from '../field-formats.ts'
import { REDACTABLE_FIELDS, type ListenAddress, type LogDestination } from '../node-settings.ts'

/** Reads the text of one setting. */
export interface ValueKind<T> {
  /** What is accepted, for the error message. */
  readonly accepts: string
  /** `undefined` when the text is not acceptable. `warn` tells of parts that are dropped. */
  parse(text: string, warn: (message: string) => void): T | undefined
}

export const text: ValueKind<string> = { accepts: 'a text', parse: (value) => value }

export function oneOf<const W extends string>(...words: readonly W[]): ValueKind<W> {
  return {
    accepts: `one of ${words.join(', ')}`,
    parse: (value) => words.find((word) => word === value.toLowerCase()),
  }
}

/** Kong's booleans. */
export const flag: ValueKind<boolean> = {
  accepts: 'on, off, true or false',
  parse(value) {
    const word = value.toLowerCase()
    if (word === 'on' || word === 'true') return true
    return word === 'off' || word === 'false' ? false : undefined
  },
}

export function wholeNumber(lowest: number, highest = Number.MAX_SAFE_INTEGER): ValueKind<number> {
  return {
    accepts:
      highest === Number.MAX_SAFE_INTEGER
        ? `a whole number from ${lowest}`
        : `a whole number from ${lowest} to ${highest}`,
    parse(value) {
      if (!/^\d{1,16}$/.test(value)) return undefined
      const number = Number(value)
      return number >= lowest && number <= highest ? number : undefined
    },
  }
}

const SIZE_UNITS: Readonly<Record<string, number>> = {
  '': 1,
  k: 1024,
  m: 1024 ** 2,
  g: 1024 ** 3,
}

/** Bytes: a number, or with `k`, `m`, `g` (powers of 1024); Kubernetes' `Ki`, `Mi`, `Gi` as well. */
export function size(lowest = 0): ValueKind<number> {
  return {
    accepts: `a size such as 512k, 256m or 1g${lowest === 0 ? '' : `, at least ${lowest} bytes`}`,
    parse(value) {
      const match = /^(\d{1,15})([kmg]?)(?:i?b?)$/i.exec(value)
      const bytes =
        Number(match?.[1]) * (SIZE_UNITS[(match?.[2] ?? '').toLowerCase()] ?? Number.NaN)
      return Number.isSafeInteger(bytes) && bytes >= lowest ? bytes : undefined
    },
  }
}

/** A body limit: 0 lifts it, as in nginx. */
export const bodySize: ValueKind<number> = {
  accepts: 'a size such as 512k, 256m or 1g; 0 for no limit',
  parse(value, warn) {
    const bytes = size().parse(value, warn)
    return bytes === 0 ? Number.MAX_SAFE_INTEGER : bytes
  },
}

const TIME_UNITS_MS: Readonly<Record<string, number>> = {
  ms: 1,
  '': 1000,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
}

/** Timers of the platform hold no more. */
const LONGEST_MS = 2_147_483_647

/** Milliseconds: seconds without a unit, as everywhere in Kong's file. */
export function duration(lowestMs = 0): ValueKind<number> {
  return {
    accepts: `seconds, or a number with ms, s, m or h such as 500ms${lowestMs === 0 ? '' : `; at least ${lowestMs}ms`}`,
    parse(value) {
      const match = /^(\d{1,10}(?:\.\d{1,6})?)(ms|s|m|h|)$/.exec(value)
      const unit = TIME_UNITS_MS[match?.[2] ?? ''] ?? Number.NaN
      const ms = Math.round(Number(match?.[1]) * unit)
      return ms >= lowestMs && ms <= LONGEST_MS ? ms : undefined
    },
  }
}

export const seconds: ValueKind<number> = {
  accepts: 'seconds, a whole number from 1',
  parse: (value, warn) => wholeNumber(1).parse(value, warn),
}

/** A comma-separated list; `off` alone is empty. */
export function list<T>(element: ValueKind<T>): ValueKind<readonly T[]> {
  return {
    accepts: `a comma-separated list, each ${element.accepts}`,
    parse(value, warn) {
      const parts = splitList(value)
      const parsed = parts.map((part) => element.parse(part, warn))
      return parsed.every((one) => one !== undefined) ? parsed : undefined
    },
  }
}

export function splitList(value: string): string[] {
  if (value.trim() === 'off') return []
  return value
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
}

export const trustedAddress: ValueKind<string> = {
  accepts: 'an address or a range in CIDR notation',
  parse: (value) => (isIpOrCidr(value) || value === 'unix:' ? value : undefined),
}

export const headerFieldName: ValueKind<string> = {
  accepts: 'the name of a header field',
  parse: (value) => (/^[A-Za-z0-9_-]+$/.test(value) ? value : undefined),
}

/** A file, a device or `off`; Kong's log format after the path means nothing here. */
export const logDestination: ValueKind<LogDestination> = {
  accepts: 'a path, /dev/stdout, /dev/stderr or off',
  parse(value, warn) {
    const [path, ...rest] = value.split(/\s+/)
    if (rest.length > 0) warn(`the log format '${rest.join(' ')}' is ignored: lines are JSON`)
    return path
  },
}

/** Kept as it is: it holds a password, and `redis/` reads it. */
export const redisUrl: ValueKind<string> = {
  accepts:
    'redis://user:password@host:6379/0, rediss:// for TLS, redis+cluster://host:6379,host:6379 or redis+sentinel://host:26379,host:26379/master-name/0',
  parse: (value) => (parseRedisUrl(value, 0) === undefined ? undefined : value),
}

/** `name:hash` or `name:drop`. */
export const redaction: ValueKind<readonly [field: string, rule: 'hash' | 'drop']> = {
  accepts: `a field with :hash or :drop after it, of ${REDACTABLE_FIELDS.join(', ')}, header.<name>`,
  parse(value) {
    const match = /^([a-z_]+|header\.[a-z0-9-]+):(hash|drop)$/.exec(value.toLowerCase())
    const [, field = '', rule] = match ?? []
    const known = field.startsWith('header.') || REDACTABLE_FIELDS.some((one) => one === field)
    return known && (rule === 'hash' || rule === 'drop') ? [field, rule] : undefined
  },
}

/** A forward proxy; `http://` may be left out, as other programs allow. */
export const proxyUrl: ValueKind<string> = {
  accepts: 'a URL such as http://proxy.example.com:3128',
  parse(value) {
    const url = /^[a-z][a-z0-9+.-]*:\/\//i.test(value) ? value : `http://${value}`
    if (!URL.canParse(url)) return undefined
    const { protocol, hostname } = new URL(url)
    return /^https?:$/.test(protocol) && hostname !== '' ? url : undefined
  },
}

/** `origin=origin, …` */
export const originMap: ValueKind<ReadonlyMap<string, string>> = {
  accepts: 'comma-separated pairs of origins such as https://api.example.com=http://127.0.0.1:9001',
  parse(value) {
    const map = new Map<string, string>()
    for (const pair of splitList(value)) {
      const [from, to, ...rest] = pair.split('=')
      const [source, target] = [bareOrigin(from), bareOrigin(to)]
      if (source === undefined || target === undefined || rest.length > 0) return undefined
      map.set(source, target)
    }
    return map
  },
}

/** Scheme, host and port only: a path could not be mapped. */
function bareOrigin(value: string | undefined): string | undefined {
  if (value === undefined || !URL.canParse(value)) return undefined
  const url = new URL(value)
  if (!/^https?:$/.test(url.protocol) || url.username !== '' || url.search !== '') return undefined
  return url.pathname === '/' && url.hash === '' ? url.origin : undefined
}

const HARMLESS_LISTEN_FLAGS = /^(?:reuseport|bind|backlog=\d+)$/
const KNOWN_LISTEN_FLAGS =
  /^(?:deferred|fastopen=\d+|rcvbuf=\w+|sndbuf=\w+|so_keepalive=\S+|ipv6only=(?:on|off)|setfib=\d+|accept_filter=\S+)$/

/** Kong's listen syntax (kong.md §5): `addr:port [flag …], …`, or `off`. */
export const listenAddresses: ValueKind<readonly ListenAddress[]> = {
  accepts: 'off, or addresses such as 0.0.0.0:8000, [::]:8000 separated by commas',
  parse(value, warn) {
    const addresses: ListenAddress[] = []
    for (const entry of splitList(value)) {
      const [place = '', ...flags] = entry.split(/\s+/)
      const address = parseAddress(place)
      if (address === undefined) return undefined
      if (flags.includes('ssl')) {
        warn(`the listener '${place} ssl' is not served by this version`)
        continue
      }
      for (const one of flags) {
        if (HARMLESS_LISTEN_FLAGS.test(one)) continue
        if (one === 'http2' || one === 'proxy_protocol')
          warn(`'${one}' on ${place} is not served by this version`)
        else if (KNOWN_LISTEN_FLAGS.test(one)) warn(`'${one}' on ${place} has no meaning here`)
        else return undefined
      }
      addresses.push(address)
    }
    return addresses
  },
}

function parseAddress(text: string): ListenAddress | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text)
  const port = Number(match?.[3])
  if (match === null || port > 65_535) return undefined
  const [, v6, name] = match
  if (v6 !== undefined) return isIP(v6) === 6 ? { host: v6, port } : undefined
  if (name === '*') return { host: '0.0.0.0', port }
  return name !== undefined && isHostname(name) ? { host: name, port } : undefined
}
