import type { ConfigIssue, ConfigSchema, RequestView } from '@pratu/plugin-kit'
import { ENTITY_SCHEMAS, pluginEntityFields } from './entity-schemas.ts'
import type { AvailablePlugin } from './information.ts'
import { luaDump, luaToJson, type LuaTree } from './lua-dump.ts'
import { toKongConfigField } from './plugin-schema.ts'
import { json, message, methodNotAllowed, NOT_FOUND, type AdminResponse } from './respond.ts'

/** A plugin whose configuration can be judged. */
export interface DescribedPlugin extends AvailablePlugin {
  readonly schema: ConfigSchema<unknown>
}

/** What is wrong with one entity; no problem when it is valid. */
export interface EntityProblem {
  /** From the entity's root; list positions count from 0. */
  readonly path: readonly (string | number)[]
  readonly message: string
}

export interface SchemaDependencies {
  readonly plugins: readonly DescribedPlugin[]
  /**
   * Judges one entity by the configuration's own schema, references left out; `undefined` where that is not wired: then
   * `POST /schemas/{entity}/validate` is not found.
   */
  readonly validateEntity?: (entity: string, value: unknown) => readonly EntityProblem[]
}

const MAX_BODY_BYTES = 1024 * 1024
const VALID = message(200, 'schema validation successful')

/**
 * `/schemas/{entity}`, `/schemas/plugins/{name}` and their `validate` (kong.md §4.3).
 *
 * @param segments what follows `/schemas/`.
 */
export function schemaResponse(
  dependencies: SchemaDependencies,
  request: RequestView,
  segments: readonly string[],
): AdminResponse | Promise<AdminResponse> {
  const [entity = '', second, ...rest] = segments
  if (rest.length > 0 || entity === '') return NOT_FOUND
  if (second === 'validate') {
    return request.method === 'POST'
      ? validationResponse(dependencies, request, entity)
      : methodNotAllowed(['POST'])
  }
  if (request.method !== 'GET' && request.method !== 'HEAD')
    return methodNotAllowed(['GET', 'HEAD'])
  if (second === undefined) return entitySchema(entity)
  return entity === 'plugins' ? pluginSchema(dependencies.plugins, second) : NOT_FOUND
}

function entitySchema(entity: string): AdminResponse {
  const fields = ENTITY_SCHEMAS.get(entity)
  return fields === undefined ? message(404, `No entity named '${entity}'`) : json(200, { fields })
}

function pluginSchema(plugins: readonly DescribedPlugin[], name: string): AdminResponse {
  const plugin = plugins.find((one) => one.name === name)
  if (plugin === undefined) return message(404, `No plugin named '${name}'`)
  return json(200, {
    fields: pluginEntityFields(toKongConfigField(plugin.schema)),
    entity_checks: [],
  })
}

async function validationResponse(
  dependencies: SchemaDependencies,
  request: RequestView,
  entity: string,
): Promise<AdminResponse> {
  const bytes = await request.body.bytes(MAX_BODY_BYTES)
  let value: unknown
  try {
    value = JSON.parse(Buffer.from(bytes).toString('utf8'))
  } catch {
    return message(400, 'Cannot parse JSON body')
  }
  if (entity === 'plugins' && isRecord(value)) return validatePlugin(dependencies.plugins, value)
  const { validateEntity } = dependencies
  if (!ENTITY_SCHEMAS.has(entity)) return message(404, `No entity named '${entity}'`)
  if (validateEntity === undefined) return NOT_FOUND
  return answerProblems(validateEntity(entity, value))
}

async function validatePlugin(
  plugins: readonly DescribedPlugin[],
  value: Readonly<Record<string, unknown>>,
): Promise<AdminResponse> {
  const { name } = value
  if (typeof name !== 'string')
    return answerProblems([{ path: ['name'], message: 'required field missing' }])
  const plugin = plugins.find((one) => one.name === name)
  if (plugin === undefined) {
    const text = `plugin '${name}' not enabled; add it to the 'plugins' configuration property`
    return answerProblems([{ path: ['name'], message: text }])
  }
  const result = await plugin.schema['~standard'].validate(withoutNulls(value['config'] ?? {}))
  return answerProblems((result.issues ?? []).map(toProblem))
}

function toProblem(issue: ConfigIssue): EntityProblem {
  const path = (issue.path ?? []).map((part) => {
    const key = typeof part === 'object' ? part.key : part
    return typeof key === 'number' ? key : String(key)
  })
  return { path: ['config', ...path], message: issue.message }
}

/** Null counts as absent, at any depth (kong.md §1.7). */
function withoutNulls(value: unknown): unknown {
  if (!isRecord(value)) return value
  const members = Object.entries(value).filter(([, member]) => member !== null)
  return Object.fromEntries(members.map(([name, member]) => [name, withoutNulls(member)]))
}

function answerProblems(problems: readonly EntityProblem[]): AdminResponse {
  if (problems.length === 0) return VALID
  const tree: Record<string, LuaTree[string]> = {}
  for (const { path, message: text } of problems) insert(tree, path, text)
  const dump = luaDump(tree)
  const named = problems.map(({ path, message: text }) => `${path.join('.')}: ${text}`).join('; ')
  return json(400, {
    code: 2,
    name: 'schema violation',
    message:
      problems.length === 1
        ? `schema violation (${named})`
        : `${problems.length} schema violations (${named})`,
    fields: dump === '{}' ? {} : luaToJson(tree),
  })
}

function insert(
  tree: Record<string, LuaTree[string]>,
  path: EntityProblem['path'],
  text: string,
): void {
  const [first, ...rest] = path.map((part) => (typeof part === 'number' ? String(part + 1) : part))
  if (first === undefined) {
    tree['@entity'] = [text]
    return
  }
  if (rest.length === 0) {
    tree[first] ??= text
    return
  }
  const next = tree[first]
  const branch: Record<string, LuaTree[string]> = isBranch(next) ? { ...next } : {}
  insert(branch, path.slice(1), text)
  tree[first] = branch
}

function isBranch(value: LuaTree[string] | undefined): value is LuaTree {
  return typeof value === 'object' && !Array.isArray(value)
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
