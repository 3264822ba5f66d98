import type { ErrorShape, Plugin } from '@pratu/plugin-kit'
import { givenExchange, type ExchangeGiven } from '@pratu/plugin-kit/testing'
import type { HeaderTokens, Route, Service } from '../../config/index.ts'
import { createExchangeMetrics, createMetrics, createMetricStorage } from '../../observe/index.ts'
import { createRouter } from '../../router/index.ts'
import { ActiveExchanges } from '../active-exchanges.ts'
import { dispatch } from '../dispatch.ts'
import { handle } from '../handle.ts'
import { createPlanSelector, type ScopedPlugin } from '../plan-selector.ts'
import { createProxy } from '../proxy.ts'
import type {
  BoundRoute,
  BoundService,
  InterruptibleExchange,
  PinnedExchange,
  ServiceHandler,
  Snapshot,
} from '../snapshot.ts'
import { FakeUpstream } from './fake-upstream.ts'
import { RecordingClient } from './recording-client.ts'
import { RecordingLedger } from './recording-ledger.ts'

export const ROUTE_ID = '00000000-0000-4000-8000-00000000000a'
export const SERVICE_ID = '00000000-0000-4000-8000-00000000000b'

/** A plugin instance with its scope; global, priority 100 and called `plugin` unless told otherwise. */
export type PluginGiven = Plugin & {
  readonly name?: string
  readonly priority?: number
  readonly id?: string
  readonly routeId?: string
  readonly serviceId?: string
  readonly consumerId?: string
}

export interface PipelineGiven {
  readonly plugins?: readonly PluginGiven[]
  readonly route?: Partial<Route>
  /** `null`: the route has none. */
  readonly service?: Partial<Service> | null
  /** Default: the proxy, over `upstream`. */
  readonly handler?: ServiceHandler
  readonly compatibility?: 'pratu' | 'kong'
  readonly errorShape?: ErrorShape
  readonly credential?: BoundService['credentialHeaders']
  readonly headerTokens?: Partial<HeaderTokens>
  readonly bodyLimitBytes?: number
}

export interface GivenPipeline {
  readonly upstream: FakeUpstream
  readonly ledger: RecordingLedger
  /** Exchanges that have settled, in order. */
  readonly settled: PinnedExchange[]
  /** What was told to the observer as a failure. */
  readonly failures: unknown[]
  readonly active: ActiveExchanges<InterruptibleExchange>
  /** How often the snapshot is pinned right now. */
  readonly pins: number
  /** One request; `client` is told the response as it comes. */
  request(given?: ExchangeGiven, client?: RecordingClient): RecordingClient
}

const TOKENS: HeaderTokens = {
  serverTokens: true,
  latencyTokens: true,
  requestId: true,
  upstreamStatus: false,
  upstreamRequestId: true,
  debug: false,
}

/** A compiled configuration of one route, real but for its upstream, its client and its ledger. */
export function givenPipeline(given: PipelineGiven = {}): GivenPipeline {
  const upstream = new FakeUpstream()
  const ledger = new RecordingLedger()
  const settled: PinnedExchange[] = []
  const failures: unknown[] = []
  const active = new ActiveExchanges<InterruptibleExchange>()
  const selector = createPlanSelector((given.plugins ?? []).map(scoped), dispatch)
  const service = given.service === null ? undefined : bindService(given, upstream)
  const route = makeRoute(given.route)
  const compatibility = given.compatibility ?? 'pratu'
  const metrics = createExchangeMetrics(
    createMetrics({ storage: createMetricStorage({ regions: 1 }), region: 0 }),
    { namespace: undefined },
  )
  const bound: BoundRoute = {
    route,
    service,
    plan: selector.select(route.id, service?.service.id),
    planFor: (current, after, consumerId) =>
      selector.selectFor(current, after, consumerId, route.id, service?.service.id),
    errorShape: given.errorShape ?? 'kong',
    bodyLimitBytes: given.bodyLimitBytes ?? 1024 * 1024,
    series: metrics.series(route, service?.service, compatibility),
  }
  let pins = 0
  const snapshot: Snapshot = {
    generation: 1,
    router: createRouter([{ route, value: bound }]),
    globals: selector.globals,
    compatibility,
    pin: () => void pins++,
    unpin: () => void pins--,
    context: {
      ledger,
      headerTokens: { ...TOKENS, ...given.headerTokens },
      serverToken: 'pratu/test',
      viaToken: 'pratu/test',
      requestBufferBytes: 1024,
      active,
      observer: {
        settled: (exchange) => settled.push(exchange),
        failed: (_exchange, error) => failures.push(error),
      },
    },
  }
  return {
    upstream,
    ledger,
    settled,
    failures,
    active,
    get pins() {
      return pins
    },
    request(exchange = {}, client = new RecordingClient()) {
      handle(snapshot, givenExchange({ target: '/a', ...exchange }).request, client)
      return client
    },
  }
}

let nextPlugin = 0

function scoped(plugin: PluginGiven): ScopedPlugin {
  const { name = 'plugin', priority = 100, id = `${name}-${nextPlugin++}` } = plugin
  const { routeId, serviceId, consumerId } = plugin
  return { id, name, priority, plugin, routeId, serviceId, consumerId }
}

function bindService(
  { service: fields, handler, credential }: PipelineGiven,
  upstream: FakeUpstream,
): BoundService {
  const service: Service = {
    id: SERVICE_ID,
    name: 'service',
    protocol: 'http',
    host: 'upstream.test',
    port: 80,
    path: undefined,
    retries: 5,
    connectTimeoutMs: 1000,
    writeTimeoutMs: 1000,
    readTimeoutMs: 1000,
    tlsVerify: undefined,
    tlsVerifyDepth: undefined,
    caCertificateIds: [],
    clientCertificateId: undefined,
    enabled: true,
    provider: undefined,
    aiFormat: undefined,
    tags: [],
    ...fields,
  }
  return {
    service,
    targeting: {
      key: service.id,
      scheme: 'http',
      targets: [{ host: service.host, port: 80, weight: 100, hostHeader: service.host }],
      connectTimeoutMs: 1000,
      writeTimeoutMs: 1000,
      readTimeoutMs: 1000,
      retries: 0,
      tls: undefined,
    },
    handler: handler ?? createProxy(upstream),
    credentialHeaders: credential,
  }
}

function makeRoute(fields: Partial<Route> = {}): Route {
  return {
    id: ROUTE_ID,
    name: 'route',
    serviceId: SERVICE_ID,
    protocols: ['http', 'https'],
    hosts: [],
    paths: ['/a'],
    methods: [],
    headers: new Map(),
    snis: [],
    regexPriority: 0,
    stripPath: true,
    pathHandling: 'v0',
    preserveHost: false,
    requestBuffering: true,
    responseBuffering: true,
    httpsRedirectStatusCode: 426,
    createdAt: undefined,
    tags: [],
    ...fields,
  }
}
