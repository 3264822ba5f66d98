import type { AnyPluginDefinition, RequestView } from '@pratu/plugin-kit'
import { validateEntity, type EntityProblem, type NodeSettings } from '../config/index.ts'
import { isGatewayError } from '../errors/index.ts'
import { ENTITY_SCHEMAS, pluginEntityFields } from './entity-schemas.ts'
import { luaDump, luaToJson, type LuaTree } from './lua-dump.ts'
import { toKongConfigField } from './plugin-schema.ts'
import { json, message, methodNotAllowed, NOT_FOUND, type AdminResponse } from './respond.ts'

export interface SchemaDependencies {
  readonly plugins: readonly AnyPluginDefinition[]
  readonly settings: NodeSettings
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

function pluginSchema(plugins: readonly AnyPluginDefinition[], name: string): AdminResponse {
  const plugin = plugins.find((one) => one.name === name)
  if (plugin === undefined) return message(404, `No plugin named '${name}'`)
  return json(200, {
    fields: pluginEntityFields(toKongConfigField(plugin.schema)),
    entity_checks: [],
  })
}

async function validationResponse(
  { plugins, settings }: SchemaDependencies,
  request: RequestView,
  entity: string,
): Promise<AdminResponse> {
  let value: unknown
  try {
    const document = await request.body.json(MAX_BODY_BYTES)
    value = document.value
  } catch (error) {
    if (!isGatewayError(error) || error.code !== 'invalid_json') throw error
    return message(400, 'Cannot parse JSON body')
  }
  const problems = validateEntity(entity, value, {
    plugins,
    enabledPlugins: settings.plugins,
    compatibility: settings.compatibility,
  })
  return problems === undefined
    ? message(404, `No entity named '${entity}'`)
    : answerProblems(problems)
}

function answerProblems(problems: readonly EntityProblem[]): AdminResponse {
  if (problems.length === 0) return VALID
  const tree: Record<string, LuaTree[string]> = {}
  for (const { path, message: text } of problems) insert(tree, path, text)
  const dump = luaDump(tree)
  const named = problems.map(problemText).join('; ')
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

function problemText({ path, message: text }: EntityProblem): string {
  const field = path.filter((part) => part !== '@entity').map(kongPart)
  return field.length === 0 ? text : `${field.join('.')}: ${text}`
}

/** Lists count from 1 there (kong.md §1.8). */
function kongPart(part: string | number): string {
  return typeof part === 'number' ? String(part + 1) : part
}

function insert(
  tree: Record<string, LuaTree[string]>,
  path: EntityProblem['path'],
  text: string,
): void {
  const [first = '@entity', ...rest] = path.map(kongPart)
  if (first === '@entity') {
    const others = tree[first]
    tree[first] = [...(Array.isArray(others) ? others : []), text]
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
