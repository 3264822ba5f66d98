import { createHash } from 'node:crypto'
import type { RequestView } from '@pratu/plugin-kit'
import { diagnosticsTree } from '../config/index.ts'
import type {
  AdminState,
  AppliedConfiguration,
  ConfigurationResult,
  RefusedConfiguration,
} from './admin-state.ts'
import { isResponse, readConfiguration, type GivenConfiguration } from './configuration-body.ts'
import { toDeclarativeText } from './declarative-text.ts'
import type { WireDocument } from './kong-wire.ts'
import { luaDump, luaToJson } from './lua-dump.ts'
import { json, message, type AdminResponse } from './respond.ts'

export interface ConfigurationDependencies {
  readonly state: AdminState
  /** Validates and applies a whole configuration, or nothing of it. */
  readonly apply: (configuration: GivenConfiguration) => Promise<ConfigurationResult>
  readonly wireOf: (applied: AppliedConfiguration) => WireDocument
  /** How long an application may take before the client is told 504; it goes on all the same. */
  readonly timeoutMs: number
}

/** `GET /config`: the entities in use as YAML; keys as digests, other secrets masked. */
export function currentConfigurationResponse(
  state: AdminState,
  wireOf: ConfigurationDependencies['wireOf'],
): AdminResponse {
  const current = state.current()
  const document: WireDocument = current === undefined ? new Map() : wireOf(current)
  return json(200, { config: toDeclarativeText(document, current?.entities.compatibility) })
}

const TRUE: ReadonlySet<string> = new Set(['1', 'true', 'on', 'yes'])

/**
 * `POST /config` (kong.md §4.4): replaces the whole configuration, or changes nothing.
 *
 * @param formsAllowed whether the request brought the token.
 * @throws {GatewayError} of reading the body.
 */
export async function replaceConfigurationResponse(
  dependencies: ConfigurationDependencies,
  request: RequestView,
  query: URLSearchParams,
  formsAllowed: boolean,
): Promise<AdminResponse> {
  const { state, apply, timeoutMs } = dependencies
  if (state.draining()) return message(503, 'Kong currently exiting')
  const given = await readConfiguration(request, formsAllowed)
  if (isResponse(given)) return given
  if (state.applying()) {
    return message(429, 'Currently loading previous configuration', { 'Retry-After': '1' })
  }
  if (TRUE.has(query.get('check_hash') ?? '') && md5(given.text) === state.current()?.hash) {
    return { status: 304 }
  }
  const result = await within(apply(given), timeoutMs)
  if (result === undefined) return message(504, 'Timed out while loading configuration')
  if (!result.ok) return refusal(result.failure, TRUE.has(query.get('flatten_errors') ?? ''))
  return json(201, byId(dependencies.wireOf(result.applied)))
}

function md5(text: string): string {
  return createHash('md5').update(text).digest('hex')
}

async function within<T>(work: Promise<T>, ms: number): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), ms)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

function refusal(failure: RefusedConfiguration, flatten: boolean): AdminResponse {
  const tree = diagnosticsTree(failure.problems)
  const whole = Object.keys(tree.fields).length === 0 ? { error: failure.message } : tree.fields
  const shown = flatten && tree.flattened_errors.length > 0 ? tree.unplaced : whole
  return json(400, {
    code: 14,
    name: 'invalid declarative configuration',
    message: `declarative config is invalid: ${luaDump(whole)}`,
    fields: luaToJson(shown),
    ...(flatten ? { flattened_errors: tree.flattened_errors } : {}),
  })
}

/** The loaded entities, by collection and id (kong.md §4.4). */
function byId(document: WireDocument): Record<string, unknown> {
  const collections: Record<string, unknown> = {}
  for (const [name, entities] of document) {
    if (entities.length === 0) continue
    collections[name] = Object.fromEntries(entities.map((entity) => [entity.id, entity]))
  }
  return collections
}
