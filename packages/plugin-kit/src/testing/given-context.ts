import { createHash } from 'node:crypto'
import type { ResponseCache } from '../cache.ts'
import type { ConsumerRef } from '../exchange.ts'
import type { Ledger } from '../ledger.ts'
import type {
  Identities,
  KnownCredential,
  NodeFacts,
  PluginContext,
  PluginInstance,
} from '../plugin.ts'
import { consumerRef, testId } from './given-exchange.ts'
import { createReferenceCache } from './reference-cache.ts'
import { createReferenceLedger } from './reference-ledger.ts'
import { TestClock } from './test-clock.ts'

/** A consumer that the context knows, with credentials. */
export interface ConsumerGiven extends Partial<ConsumerRef> {
  /** Plain keys of its `keyauth_credentials`. */
  readonly keys?: readonly string[]
  /** Other credentials, by Kong's collection name → lookup texts. */
  readonly credentials?: Readonly<Record<string, readonly string[]>>
}

export interface ContextGiven {
  readonly instance?: Partial<PluginInstance>
  readonly clock?: TestClock
  readonly ledger?: Ledger
  readonly cache?: ResponseCache
  readonly consumers?: readonly ConsumerGiven[]
  readonly compatibility?: 'pratu' | 'kong'
  readonly node?: Partial<NodeFacts>
}

export interface LogEntry {
  readonly level: 'warn' | 'error'
  readonly message: string
  readonly detail: Readonly<Record<string, unknown>> | undefined
}

export interface MetricCount {
  readonly metric: string
  readonly labels: readonly string[]
  readonly amount: number
}

/** A context that a test can look into. */
export interface TestContext extends PluginContext {
  readonly clock: TestClock
  readonly logged: readonly LogEntry[]
  readonly counted: readonly MetricCount[]
  /** The value that a gauge was set to last. */
  gauge(metric: string, labels: readonly string[]): number | undefined
  /** Every `identities.credential` look-up, in order. */
  readonly lookups: readonly { readonly kind: string; readonly lookup: string }[]
}

/**
 * What a plugin instance may touch, without a gateway: a clock that stands still, numbered UUIDs, a reference ledger,
 * the consumers given, and recorders in place of metrics and log.
 */
export function givenContext(given: ContextGiven = {}): TestContext {
  const clock = given.clock ?? new TestClock()
  const logged: LogEntry[] = []
  const counted: MetricCount[] = []
  const lookups: { kind: string; lookup: string }[] = []
  const gauges = new Map<string, number>()
  const kept = new Map<string, unknown>()
  let uuids = 0

  return {
    instance: {
      id: testId('plugin', given.instance?.name ?? 'under-test'),
      name: 'under-test',
      routeId: undefined,
      serviceId: undefined,
      consumerId: undefined,
      ...given.instance,
    },
    clock,
    random: {
      uuid: () => `00000000-0000-4000-8000-${(++uuids).toString(16).padStart(12, '0')}`,
    },
    ledger: given.ledger ?? createReferenceLedger(clock),
    cache: given.cache ?? createReferenceCache(clock),
    identities: identitiesOf(given.consumers ?? [], lookups),
    metrics: {
      counter: (metric, labels) => ({
        add: (amount) => {
          counted.push({ metric, labels: [...labels], amount })
        },
      }),
      count: (metric, labels, amount) => {
        counted.push({ metric, labels: [...labels], amount })
      },
      gauge: (metric, labels) => ({
        set: (value) => {
          gauges.set(JSON.stringify([metric, ...labels]), value)
        },
      }),
    },
    log: {
      warn: (message, detail) => {
        logged.push({ level: 'warn', message, detail })
      },
      error: (message, detail) => {
        logged.push({ level: 'error', message, detail })
      },
    },
    compatibility: given.compatibility ?? 'pratu',
    node: {
      hostname: 'test-host',
      worker: 0,
      workers: 1,
      cacheTtlSeconds: undefined,
      cacheBytes: 16 * 1024 * 1024,
      ...given.node,
    },
    keep<T>(key: string, create: () => T): T {
      if (!kept.has(key)) kept.set(key, create())
      // One key is created by one caller, so its value has that caller's type.
      return kept.get(key) as T
    },
    logged,
    counted,
    lookups,
    gauge: (metric, labels) => gauges.get(JSON.stringify([metric, ...labels])),
  }
}

function identitiesOf(
  consumers: readonly ConsumerGiven[],
  lookups: { kind: string; lookup: string }[],
): Identities {
  const byName = new Map<string, ConsumerRef>()
  const byLookup = new Map<string, KnownCredential>()
  for (const given of consumers) {
    const consumer = consumerRef(given)
    byName.set(consumer.id, consumer)
    if (consumer.username !== undefined) byName.set(consumer.username, consumer)
    const digests = (given.keys ?? []).map((key) => createHash('sha256').update(key).digest('hex'))
    const credentials = { ...given.credentials, keyauth_credentials: digests }
    for (const [kind, texts] of Object.entries(credentials)) {
      for (const lookup of texts) {
        const credential = { id: testId('credential', `${kind}:${lookup}`), kind }
        byLookup.set(`${kind}\n${lookup}`, { consumer, credential })
      }
    }
  }
  return {
    consumer: (idOrUsername) => byName.get(idOrUsername),
    credential: (kind, lookup) => {
      lookups.push({ kind, lookup })
      return byLookup.get(`${kind}\n${lookup}`)
    },
  }
}
