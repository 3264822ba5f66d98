import { createHash, timingSafeEqual } from 'node:crypto'
import { isIP } from 'node:net'
import type { RequestView } from '@pratu/plugin-kit'
import type { Secret } from '../config/index.ts'
import { message, type AdminResponse } from './respond.ts'

/** Whether a request may use what only administrators may. */
export interface AccessRule {
  /** @returns what to answer instead; `undefined` when it may. */
  refuse(request: RequestView): AdminResponse | undefined
  /** Whether the request brought the token: what no web page of another origin can (S37). */
  hasToken(request: RequestView): boolean
}

/** Fields of a request that came through another server: its sender is not the loopback address that we see. */
const FORWARDED = ['x-forwarded-for', 'forwarded', 'x-real-ip', 'via']

/**
 * With a token (`PRATU_ADMIN_TOKEN`): whoever brings it, in `Kong-Admin-Token` or as `Bearer`. Without one: loopback
 * peers only, that name us by an address or `localhost` and are no page of another site: a browser on this machine can
 * be made to send requests here (DNS rebinding, CSRF; S36, S37).
 *
 * @throws {Error} for an empty token (S12).
 */
export function createAccessRule(token: Secret | undefined): AccessRule {
  const expected = token === undefined ? undefined : digest(token.reveal())
  if (token?.reveal() === '')
    throw new Error('the admin token is empty: set PRATU_ADMIN_TOKEN or leave it out')

  const hasToken = (request: RequestView): boolean => {
    if (expected === undefined) return false
    const given = tokenOf(request)
    return given !== undefined && timingSafeEqual(digest(given), expected)
  }
  return {
    hasToken,
    refuse(request) {
      if (expected !== undefined) return hasToken(request) ? undefined : UNAUTHORIZED
      return refuseWithoutToken(request)
    },
  }
}

const UNAUTHORIZED = message(
  401,
  'Unauthorized: send the admin token in the header Kong-Admin-Token, or as Authorization: Bearer',
  { 'WWW-Authenticate': 'Bearer realm="admin"' },
)
const REMOTE = message(
  403,
  'Forbidden: without PRATU_ADMIN_TOKEN only requests from this machine may do this',
)
const FOREIGN_HOST = message(
  403,
  'Forbidden: name this server by its address or localhost, or set PRATU_ADMIN_TOKEN',
)
const CROSS_SITE = message(403, 'Forbidden: requests of other sites need the admin token')

function refuseWithoutToken(request: RequestView): AdminResponse | undefined {
  if (!isLoopback(request.peerIp)) return REMOTE
  if (FORWARDED.some((name) => request.headers.has(name))) return REMOTE
  if (!isLocalName(request.host)) return FOREIGN_HOST
  return isCrossSite(request) ? CROSS_SITE : undefined
}

/** Equal lengths, so that the comparison's time tells nothing. */
function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

function tokenOf({ headers }: RequestView): string | undefined {
  const own = headers.get('kong-admin-token')
  if (own !== undefined) return own
  return /^Bearer +(\S+) *$/i.exec(headers.get('authorization') ?? '')?.[1]
}

/** 127.0.0.0/8, ::1, and the former inside IPv6. */
export function isLoopback(address: string): boolean {
  const mapped = address.startsWith('::ffff:') ? address.slice('::ffff:'.length) : address
  return address === '::1' || (isIP(mapped) === 4 && mapped.startsWith('127.'))
}

function isLocalName(host: string): boolean {
  const name = host.startsWith('[')
    ? host.slice(1, host.indexOf(']'))
    : host.replace(/:\d*$/, '').toLowerCase()
  return name === 'localhost' || isIP(name) !== 0
}

/** Browsers say where a request comes from; programs do not. */
function isCrossSite({ headers, host, scheme }: RequestView): boolean {
  const site = headers.get('sec-fetch-site')
  if (site !== undefined && site !== 'same-origin' && site !== 'none') return true
  const origin = headers.get('origin')
  return origin !== undefined && origin !== `${scheme}://${host}`
}
