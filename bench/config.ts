/**
 * How long a large configuration takes from text to entities, how long a serving thread is held up by one, and what it
 * keeps in memory. Usage: `node bench/config.ts [routes] [consumers]`, 10,000 of each unless given.
 */
import { cpus } from 'node:os'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

import { definePlugin } from '@pratu/plugin-kit'

import {
  type ConfigurationPack,
  field,
  parseConfiguration,
  type ParseOptions,
  unpackConfiguration,
} from '../packages/gateway/src/config/index.ts'
import { parseFastYaml, UNUSUAL } from '../packages/gateway/src/config/yaml/fast-yaml.ts'
import { readPositionedYaml } from '../packages/gateway/src/config/yaml/positioned-yaml.ts'

const ROUNDS = 5
const ROUTES_PER_SERVICE = 10

const limiter = definePlugin({
  name: 'rate-limiting',
  priority: 910,
  schema: field
    .record({
      second: field.optional(field.number({ gt: 0 })),
      minute: field.optional(field.number({ gt: 0 })),
      policy: field.enumeration(['local', 'redis'], 'local'),
      fault_tolerant: field.boolean(true),
      redis: field.filled(
        field.record({
          host: field.optional(field.host()),
          port: field.defaulted(field.port(), 6379),
        }),
      ),
    })
    .check(field.atLeastOneOf('second', 'minute')),
  create: () => ({}),
})

const options: ParseOptions = { plugins: [limiter], enabledPlugins: 'bundled', environment: {} }

/** Every route has a plugin of its own configuration, every consumer a key: nothing can be shared. */
function createText(routes: number, consumers: number): string {
  const lines = ['_format_version: "3.0"', 'services:']
  for (let route = 0; route < routes; route++) {
    if (route % ROUTES_PER_SERVICE === 0) {
      const service = route / ROUTES_PER_SERVICE
      lines.push(`- name: service-${service}`, `  url: http://backend-${service}.internal:8080/api`)
      lines.push('  routes:')
    }
    lines.push(`  - name: route-${route}`, '    paths:', `    - /api/v1/route-${route}`)
    lines.push('    methods: [GET, POST]', '    strip_path: true', '    plugins:')
    lines.push('    - name: rate-limiting', '      config:', `        minute: ${100 + route}`)
    lines.push('        policy: local')
  }
  lines.push('consumers:')
  for (let consumer = 0; consumer < consumers; consumer++) {
    lines.push(`- username: user-${consumer}`, '  keyauth_credentials:')
    lines.push(`  - key: key-${consumer}-0123456789abcdef0123456789abcdef`)
  }
  return `${lines.join('\n')}\n`
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
}

function time(run: () => unknown, rounds = ROUNDS): string {
  const times: number[] = []
  for (let round = 0; round < rounds; round++) {
    const startedAt = performance.now()
    run()
    times.push(performance.now() - startedAt)
  }
  return `${median(times).toFixed(0)} ms (first ${times[0]?.toFixed(0)} ms)`
}

setFlagsFromString('--expose-gc')
const collectGarbage: unknown = runInNewContext('gc')

function heapBytes(): number {
  if (typeof collectGarbage === 'function') for (let i = 0; i < 4; i++) collectGarbage()
  return process.memoryUsage().heapUsed + process.memoryUsage().external
}

/** The longest time that a timer of 1 ms was late while `work` ran. */
async function longestStall(
  work: () => Promise<unknown>,
): Promise<{ totalMs: number; stallMs: number }> {
  let stallMs = 0
  let last = performance.now()
  const timer = setInterval(() => {
    const now = performance.now()
    stallMs = Math.max(stallMs, now - last)
    last = now
  }, 1)
  const startedAt = performance.now()
  await work()
  const totalMs = performance.now() - startedAt
  stallMs = Math.max(stallMs, performance.now() - last)
  clearInterval(timer)
  return { totalMs, stallMs }
}

function print(label: string, value: string): void {
  process.stdout.write(`${label.padEnd(46)} ${value}\n`)
}

const routes = Number(process.argv[2] ?? 10_000)
const consumers = Number(process.argv[3] ?? 10_000)
const text = createText(routes, consumers)
const sources = [{ name: 'bench.yml', text }]
const limits = { maxAliases: 1000, maxDepth: 64 }

print('machine', `${cpus()[0]?.model ?? 'unknown'}, Node ${process.version}`)
print(
  'configuration',
  `${routes} routes with a plugin each, ${consumers} consumers with a key each`,
)
print('text', `${(text.length / 1e6).toFixed(1)} MB, ${text.split('\n').length} lines`)
if (parseFastYaml(text, 64) === UNUSUAL) throw new Error('the fast reader gave up')
print(
  'fast reader',
  time(() => parseFastYaml(text, 64)),
)
print(
  'reader with positions',
  time(() => readPositionedYaml(text, limits), 2),
)
print(
  'parseConfiguration',
  time(() => parseConfiguration(sources, options)),
)

let pack: ConfigurationPack | undefined
print(
  '… and pack',
  time(() => {
    const parsed = parseConfiguration(sources, options)
    if (!parsed.ok) throw new Error(parsed.problems[0]?.message)
    pack = parsed.pack()
  }),
)
if (pack === undefined) throw new Error('nothing was packed')
const { portions } = pack
const bytes = portions.reduce((total, { byteLength }) => total + byteLength, 0)
print('pack', `${portions.length} portions, ${(bytes / 1e6).toFixed(1)} MB`)
const stalls = []
for (let round = 0; round < ROUNDS; round++)
  stalls.push(await longestStall(() => unpackConfiguration({ portions }, { plugins: [limiter] })))
print('unpackConfiguration', `${median(stalls.map(({ totalMs }) => totalMs)).toFixed(0)} ms`)
print(
  'longest stall of the loop while unpacking',
  `${Math.max(...stalls.map(({ stallMs }) => stallMs)).toFixed(0)} ms`,
)

const before = heapBytes()
const entities = await unpackConfiguration({ portions }, { plugins: [limiter] })
print('live heap of the entities', `${((heapBytes() - before) / 1e6).toFixed(1)} MB`)
print(
  'entities',
  `${entities.routes.length + entities.plugins.length + entities.consumers.length + entities.credentials.length + entities.services.length}`,
)
