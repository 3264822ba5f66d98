import type { Problem } from '../diagnostics.ts'
import type { PluginEntity } from '../entities.ts'
import { listed, serviceName, type Subject } from './subject.ts'
import { yamlScalar } from './yaml-text.ts'

const DEFAULT_METHODS = ['GET', 'HEAD']
const DEFAULT_TYPES = ['text/plain', 'application/json']
const DEFAULT_CODES = [200, 301, 404]
const ANSWER_TYPES = new Set(['application/json', 'text/event-stream'])

/** A cache on AI services that lets every request of theirs pass by. */
export function cacheNeverHits(subject: Subject): readonly Problem[] {
  return subject.plugins
    .filter(({ name }) => name === 'proxy-cache')
    .flatMap((plugin) => problemsOf(subject, plugin))
}

const KONG_MIXES = "POST would answer one prompt with another's completion"

interface Obstacle {
  readonly field: string
  readonly reason: string
  readonly add: string | number
  readonly present: readonly unknown[]
}

function problemsOf(subject: Subject, plugin: PluginEntity): readonly Problem[] {
  const services = subject.servicesUnder(plugin).filter(({ aiFormat }) => aiFormat !== undefined)
  const obstacles = obstaclesIn(subject, plugin)
  const [first] = obstacles
  if (services.length === 0 || first === undefined) return []
  const kong = subject.entities.compatibility === 'kong'
  return [
    {
      severity: 'warning',
      code: 'cache-never-hits',
      path: subject.place(plugin, 'config', first.field),
      message: `proxy-cache ${subject.scopeName(plugin)} never answers for ${listed(services.map(serviceName))}: ${obstacles.map(({ reason }) => reason).join('; ')}`,
      hint: kong
        ? `leave it so under compatibility: kong, whose cache key ignores the body: ${KONG_MIXES}. Remove \`compatibility: kong\`, or the cache`
        : `Kong's cache key ignores the body: there ${KONG_MIXES}. Pratu's is made of the whole request and its caller. Parameters of content_type, such as charset, are not compared, and streamed answers count as JSON`,
      fix: kong ? undefined : fixFor(obstacles),
    },
  ]
}

function obstaclesIn(subject: Subject, plugin: PluginEntity): readonly Obstacle[] {
  const listOf = (field: string, fallback: readonly unknown[]): readonly unknown[] => {
    const value = subject.writtenAs(plugin, 'config', field)
    return Array.isArray(value) ? value : fallback
  }
  const methods = listOf('request_method', DEFAULT_METHODS)
  const types = listOf('content_type', DEFAULT_TYPES)
  const codes = listOf('response_code', DEFAULT_CODES)
  const obstacles: Obstacle[] = []
  if (!methods.includes('POST')) {
    obstacles.push({
      field: 'request_method',
      reason: `requests to a model are POST, and it looks at ${listed(methods.map(String))} only`,
      add: 'POST',
      present: methods,
    })
  }
  if (!types.some((type) => ANSWER_TYPES.has(mediaTypeOf(type)))) {
    obstacles.push({
      field: 'content_type',
      reason: 'answers of a model are application/json, which it does not store',
      add: 'application/json',
      present: types,
    })
  }
  if (!codes.includes(200)) {
    obstacles.push({
      field: 'response_code',
      reason: 'it does not store answers with status 200',
      add: 200,
      present: codes,
    })
  }
  return obstacles
}

function mediaTypeOf(type: unknown): string {
  return String(type).split(';', 1).join('').trim().toLowerCase()
}

function fixFor(obstacles: readonly Obstacle[]): string {
  return [
    '- name: proxy-cache',
    '  config:',
    ...obstacles.flatMap(({ field, add, present }) => [
      `    ${field}:`,
      ...present.map(
        (value) => `    - ${yamlScalar(typeof value === 'number' ? value : String(value))}`,
      ),
      `    - ${add}   # add this line`,
    ]),
  ].join('\n')
}
