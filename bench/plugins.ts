/**
 * Nanoseconds that each plugin's phases take on a prepared exchange, and of a decision of the memory ledger.
 *
 *     node bench/plugins.ts [rounds]
 *
 * The exchange carries the gateway's own header lists; what it costs to prepare one is measured apart and taken off.
 * Prints minimum and median over the rounds.
 */
import { createHash } from 'node:crypto'
import { cpus } from 'node:os'
import type {
  AnyPluginDefinition,
  Clock,
  Decision,
  Exchange,
  Hold,
  Ledger,
  Period,
  Plugin,
  PluginContext,
} from '@pratu/plugin-kit'
import { givenContext, givenExchange, parseConfig } from '@pratu/plugin-kit/testing'
import { HeaderList } from '../packages/gateway/src/http/index.ts'
import { createCounterTable, createMemoryLedger } from '../packages/gateway/src/limits/index.ts'
import { createMetrics, createPluginMetrics } from '../packages/gateway/src/observe/index.ts'
import { bundledPlugins } from '../packages/gateway/src/plugins/index.ts'

const CALLS = 100_000
const KEY = `sk-${'0123456789abcdef'.repeat(3)}`

const clock: Clock = { now: () => Date.now(), monotonic: () => performance.now() }

interface Figure {
  readonly name: string
  readonly minimum: number
  readonly median: number
}

/** @param call runs `CALLS` calls. */
function measure(name: string, rounds: number, call: () => void): Figure {
  call()
  const samples = Array.from({ length: rounds }, () => {
    const start = performance.now()
    call()
    return ((performance.now() - start) / CALLS) * 1e6
  }).toSorted((a, b) => a - b)
  return { name, minimum: samples[0] ?? 0, median: samples[rounds >> 1] ?? 0 }
}

const REQUEST_FIELDS = Object.entries({
  Host: 'gateway.test:8000',
  'User-Agent': 'OpenAI/JS 6.0.0',
  Accept: 'application/json',
  'Content-Type': 'application/json',
  'Content-Length': '120',
  Authorization: `Bearer ${KEY}`,
}).flat()

/** What plugins see, over the gateway's own header lists: one exchange, made new again before each request. */
class BenchExchange {
  readonly #notes: unknown[] = []
  readonly #exchange: Exchange
  readonly #request: { headers: HeaderList }
  readonly #upstream: { headers: HeaderList }

  constructor() {
    const prototype = givenExchange({ method: 'POST', consumer: {}, credential: {} })
    const notes = this.#notes
    const request = { ...prototype.request, headers: new HeaderList() }
    const upstream = {
      method: 'POST',
      path: '/v1/chat/completions',
      query: '',
      headers: new HeaderList(),
    }
    this.#request = request
    this.#upstream = upstream
    this.#exchange = {
      ...prototype,
      request,
      upstream,
      identify: () => undefined,
      // The key's type parameter is the only writer of its slot.
      note: (key) => notes[key.index] as never,
      setNote: (key, value) => {
        notes[key.index] = value
      },
      annotate: () => undefined,
    }
  }

  renew(): Exchange {
    this.#notes.length = 0
    this.#request.headers = new HeaderList([...REQUEST_FIELDS])
    this.#upstream.headers = new HeaderList([...REQUEST_FIELDS])
    return this.#exchange
  }
}

function context(ledger: Ledger): PluginContext {
  const known = givenContext({ consumers: [{ username: 'bench', keys: [KEY] }] })
  const lookup = createHash('sha256').update(KEY).digest('hex')
  const credential = known.identities.credential('keyauth_credentials', lookup)
  return {
    ...known,
    clock,
    ledger,
    random: { uuid: () => crypto.randomUUID() },
    identities: { consumer: () => undefined, credential: () => credential },
    metrics: createPluginMetrics(createMetrics(), {
      compatibility: 'pratu',
      onMistake: (metric, mistake) => {
        throw new Error(`${metric}: ${mistake}`)
      },
    }),
  }
}

const CONFIGS: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  'key-auth': {},
  'rate-limiting': { minute: 1e9 },
  'correlation-id': { echo_downstream: true },
  prometheus: { per_consumer: true },
  cors: {},
  acl: { deny: ['nobody'] },
  'ip-restriction': { deny: ['10.0.0.0/8'] },
  'request-size-limiting': {},
  'request-transformer': { add: { headers: ['X-Added:yes'] } },
}

/** All phases of one request that passes, in the pipeline's order. */
function walk(plugin: Plugin, exchange: Exchange, ledger: Ledger): void {
  const holds = plugin.holds?.(exchange)
  if (holds !== undefined) {
    const decision = ledger.reserve(holds)
    if (decision instanceof Promise || !decision.admitted) throw new Error('not admitted at once')
    plugin.admitted?.(exchange, decision.meters)
  }
  const reply = plugin.access?.(exchange)
  if (reply !== undefined) throw new Error(`answered ${JSON.stringify(reply)}`)
  const head = { status: 200, headers: new HeaderList() }
  plugin.responseHeaders?.(exchange, head)
  plugin.log?.(exchange, 'ok')
}

function benchPlugins(rounds: number): readonly Figure[] {
  const exchange = new BenchExchange()
  const ledger = createMemoryLedger({ clock, table: createCounterTable() })
  const empty = measure('an exchange without plugins', rounds, () => {
    for (let i = 0; i < CALLS; i++) walk({}, exchange.renew(), ledger)
  })
  const figures = bundledPlugins.flatMap((definition: AnyPluginDefinition) => {
    const raw = CONFIGS[definition.name]
    if (raw === undefined) return []
    // The list of plugins has erased the type of its configurations.
    const config = parseConfig(definition as never, raw) as never
    const plugin = definition.create(config, context(ledger))
    const { minimum, median } = measure(definition.name, rounds, () => {
      for (let i = 0; i < CALLS; i++) walk(plugin, exchange.renew(), ledger)
    })
    return [
      {
        name: definition.name,
        minimum: minimum - empty.minimum,
        median: median - empty.median,
      },
    ]
  })
  return [empty, ...figures]
}

function benchLedger(rounds: number): readonly Figure[] {
  const ledger = createMemoryLedger({ clock, table: createCounterTable({ slots: 1_000_000 }) })
  const periods: readonly Period[] = ['minute', 'hour', 'day', 'month', 'year', 'second']
  return [1, 3, 6].flatMap((meters) =>
    [100, 100_000].map((scopes) => {
      const held = periods.slice(0, meters).map((period) =>
        ledger.meter({
          id: `bench:${meters}:${scopes}:${period}`,
          quantity: 'requests',
          window: { kind: 'calendar', period },
          limit: Number.MAX_SAFE_INTEGER,
        }),
      )
      const names = Array.from({ length: scopes }, () => crypto.randomUUID())
      return measure(`reserve and close, ${meters} meters, ${scopes} scopes`, rounds, () => {
        for (let i = 0; i < CALLS; i++) {
          const scope = names[i % scopes] ?? ''
          const holds: Hold[] = []
          for (const meter of held) holds.push({ meter, scope, amount: 1 })
          const decision: Decision = ledger.reserve(holds)
          if (decision.admitted) decision.reservation.close()
        }
      })
    }),
  )
}

function print(title: string, figures: readonly Figure[]): void {
  process.stdout.write(`\n${title.padEnd(44)} minimum    median\n`)
  for (const { name, minimum, median } of figures) {
    process.stdout.write(
      `${name.padEnd(44)} ${minimum.toFixed(0).padStart(4)} ns   ${median.toFixed(0).padStart(4)} ns\n`,
    )
  }
}

const rounds = Number(process.argv[2] ?? 9)
process.stdout.write(
  `node ${process.version}, ${cpus()[0]?.model ?? 'unknown CPU'}, ${rounds} rounds of ${CALLS} calls\n`,
)
print('phases of one request', benchPlugins(rounds))
print('memory ledger', benchLedger(rounds))
