import { createHash } from 'node:crypto'
import type { Exchange, ModelCall } from '@pratu/plugin-kit'
import { CREDENTIAL_FIELDS } from '../../http/index.ts'
import type { LimitConfig, ScopeKind } from './config.ts'

/** Longer texts of clients are counted by their digest. */
const MAX_TEXT = 128

/**
 * Whom a limit counts for.
 *
 * @returns `undefined` where the limit does not apply.
 */
export type ScopeOf = (exchange: Exchange, call: ModelCall | undefined) => string | undefined

type Part = (exchange: Exchange, call: ModelCall | undefined) => string | undefined

/** Each part is named, so that a value of one kind never passes for one of another. */
export function createScope(limit: LimitConfig): ScopeOf {
  const parts = limit.by.map((kind) => partOf(kind, limit))
  const [only] = parts
  if (parts.length === 1 && only !== undefined) return only
  return (exchange, call) => {
    let scope = ''
    for (const part of parts) {
      const text = part(exchange, call)
      if (text === undefined) return undefined
      scope = scope === '' ? text : `${scope}|${text}`
    }
    return scope
  }
}

function partOf(kind: ScopeKind, { headerName, tagPrefix }: LimitConfig): Part {
  switch (kind) {
    case 'consumer':
      return ({ consumer, credential, request }) =>
        consumer === undefined
          ? credentialOrIp(credential?.id, request.clientIp)
          : `consumer:${consumer.id}`
    case 'credential':
      return ({ credential, request }) => credentialOrIp(credential?.id, request.clientIp)
    case 'ip':
      return ({ request }) => `ip:${request.clientIp}`
    case 'header': {
      const isSecret = headerName !== undefined && CREDENTIAL_FIELDS.has(headerName)
      return ({ request }) => {
        const value = headerName === undefined ? undefined : request.headers.get(headerName)
        if (value === undefined) return `ip:${request.clientIp}`
        return `header:${isSecret ? digest(value) : clientText(value)}`
      }
    }
    case 'path':
      return ({ request }) => `path:${clientText(request.path)}`
    case 'route':
      return ({ route }) => `route:${route?.id ?? ''}`
    case 'service':
      return ({ service }) => `service:${service?.id ?? ''}`
    case 'model':
      return (_exchange, call) =>
        call === undefined ? undefined : `model:${clientText(call.model ?? '')}`
    case 'tag':
      return ({ consumer }) => {
        const tag = consumer?.tags.find((one) => one.startsWith(tagPrefix ?? ''))
        return tag === undefined ? undefined : `tag:${clientText(tag)}`
      }
    case 'everything':
      return () => 'everything'
  }
}

function credentialOrIp(credentialId: string | undefined, clientIp: string): string {
  return credentialId === undefined ? `ip:${clientIp}` : `credential:${credentialId}`
}

/** Text that a client chooses must not look like another part. */
function clientText(text: string): string {
  if (text.length > MAX_TEXT) return digest(text)
  return text.includes('|') || text.includes('%') ? encodeURIComponent(text) : text
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('base64url').slice(0, 22)
}
