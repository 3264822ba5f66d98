import {
  createNoteKey,
  definePlugin,
  type Exchange,
  type HeaderFields,
  type Plugin,
} from '@pratu/plugin-kit'
import { corsSchema, type CorsConfig } from './config.ts'
import { compileOrigins, type Origins } from './origins.ts'

const EMPTY = new Uint8Array(0)

/** Set on a preflight: its answer, ours or the service's, gets no more fields from here. */
const PREFLIGHT = createNoteKey<true>('cors preflight')

/** Cross-origin rules: answers preflights, and tells browsers who may read an answer (kong.md §3.9). */
export const cors = definePlugin<CorsConfig>({
  name: 'cors',
  priority: 2000,
  schema: corsSchema,
  refuses: ['consumer'],

  create(config): Plugin {
    const origins = compileOrigins(config.origins)
    const decide = (origin: string | undefined): Grant =>
      grantTo(origins, config.credentials, origin)

    return {
      access(exchange) {
        const { method, headers } = exchange.request
        if (
          method !== 'OPTIONS' ||
          !headers.has('origin') ||
          !headers.has('access-control-request-method')
        ) {
          return undefined
        }
        exchange.setNote(PREFLIGHT, true)
        if (config.preflightContinue) return undefined
        return {
          kind: 'answer',
          status: 200,
          headers: preflightHeaders(config, exchange, decide(headers.get('origin'))),
          body: EMPTY,
        }
      },

      responseHeaders(exchange, { headers }) {
        if (exchange.note(PREFLIGHT) === true) return
        const grant = decide(exchange.request.headers.get('origin'))
        if (grant.allowOrigin === undefined) headers.delete('access-control-allow-origin')
        else headers.set('Access-Control-Allow-Origin', grant.allowOrigin)
        if (grant.varies) addVaryOrigin(headers)
        if (grant.credentials) headers.set('Access-Control-Allow-Credentials', 'true')
        if (config.exposedHeaders !== undefined) {
          headers.set('Access-Control-Expose-Headers', config.exposedHeaders)
        }
      },
    }
  },
})

interface Grant {
  readonly allowOrigin: string | undefined
  /** Whether another origin could have been told something else. */
  readonly varies: boolean
  readonly credentials: boolean
}

function grantTo(origins: Origins, credentials: boolean, origin: string | undefined): Grant {
  switch (origins.kind) {
    case 'any':
      // Browsers refuse `*` together with credentials, so the asking origin is named instead.
      return credentials && origin !== undefined
        ? { allowOrigin: origin, varies: true, credentials: true }
        : { allowOrigin: '*', varies: false, credentials: false }
    case 'fixed':
      return { allowOrigin: origins.origin, varies: true, credentials }
    case 'listed': {
      const allowed = origin !== undefined && origins.allows(origin)
      return { allowOrigin: allowed ? origin : undefined, varies: true, credentials }
    }
  }
}

function preflightHeaders(
  config: CorsConfig,
  { request }: Exchange,
  grant: Grant,
): Record<string, string> {
  const headers: Record<string, string> = {}
  if (grant.allowOrigin !== undefined) headers['Access-Control-Allow-Origin'] = grant.allowOrigin
  if (grant.varies) headers['Vary'] = 'Origin'
  if (grant.credentials) headers['Access-Control-Allow-Credentials'] = 'true'
  const asked = request.headers.all('access-control-request-headers')
  const allowed = config.allowedHeaders ?? (asked.length > 0 ? asked.join(',') : undefined)
  if (allowed !== undefined) headers['Access-Control-Allow-Headers'] = allowed
  headers['Access-Control-Allow-Methods'] = config.methods
  if (config.maxAgeSeconds !== undefined) {
    headers['Access-Control-Max-Age'] = String(config.maxAgeSeconds)
  }
  if (config.privateNetwork && request.headers.has('access-control-request-private-network')) {
    headers['Access-Control-Allow-Private-Network'] = 'true'
  }
  return headers
}

function addVaryOrigin(headers: HeaderFields): void {
  const names = headers.all('vary').flatMap((value) => value.toLowerCase().split(','))
  if (!names.some((name) => name.trim() === 'origin' || name.trim() === '*')) {
    headers.append('Vary', 'Origin')
  }
}
