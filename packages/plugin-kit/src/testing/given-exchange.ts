import type {
  ConsumerRef,
  CredentialRef,
  ErrorShape,
  Exchange,
  ExchangeRecord,
  NoteKey,
  RouteRef,
  ServiceRef,
  UpstreamView,
  UriCaptures,
} from '../exchange.ts'
import type { RequestBody } from '../messages.ts'
import { FieldList, type FieldsGiven } from './field-list.ts'
import { givenBody, type BodyGiven } from './given-body.ts'
import { keepAttached } from './keep-attached.ts'

/** What a test says about a request; everything has a default. `null` means explicitly absent. */
export interface ExchangeGiven {
  readonly id?: string
  readonly errorShape?: ErrorShape
  readonly method?: string
  readonly httpVersion?: '1.0' | '1.1'
  readonly scheme?: 'http' | 'https'
  /** Path and query as on the wire, such as `/v1/chat?x=1`. */
  readonly target?: string
  readonly host?: string
  readonly headers?: FieldsGiven
  readonly peerIp?: string
  readonly peerTrusted?: boolean
  readonly clientIp?: string
  readonly port?: number
  /** A JSON value, text or bytes; or a body made by `givenBody` for anything special. */
  readonly body?: BodyGiven | RequestBody
  readonly route?: Partial<RouteRef> | null
  readonly service?: Partial<ServiceRef> | null
  readonly consumer?: Partial<ConsumerRef> | null
  readonly credential?: Partial<CredentialRef> | null
  readonly uriCaptures?: UriCaptures
  readonly record?: Partial<ExchangeRecord>
}

/** An exchange that a test can look into. */
export interface TestExchange extends Exchange {
  readonly upstream: UpstreamView & { readonly headers: FieldList }
  /** What plugins added to the log line. */
  readonly annotations: ReadonlyMap<string, unknown>
  /** How often `identify` was called. */
  readonly identifications: number
  /** Makes the client go away. */
  cancel(): void
}

let nextId = 0

/**
 * One request as a plugin sees it in `access`: routed, and with the upstream request prepared from the client's.
 *
 * @example givenExchange({ method: 'POST', headers: { apikey: 'k' }, consumer: { username: 'alice' } })
 */
export function givenExchange(given: ExchangeGiven = {}): TestExchange {
  const target = given.target ?? '/'
  const queryAt = target.indexOf('?')
  const rawPath = queryAt === -1 ? target : target.slice(0, queryAt)
  const rawQuery = queryAt === -1 ? '' : target.slice(queryAt)
  const httpVersion = given.httpVersion ?? '1.1'
  const host = given.host ?? (httpVersion === '1.1' ? 'gateway.test' : '')
  const headers = new FieldList(given.headers)
  if (host !== '' && !headers.has('host')) headers.append('Host', host)
  const peerIp = given.peerIp ?? '192.0.2.1'

  const notes = new Map<number, unknown>()
  const annotations = new Map<string, unknown>()
  const cancelListeners: (() => void)[] = []
  let cancelled = false
  let identifications = 0
  let consumer = given.consumer == null ? undefined : consumerRef(given.consumer)
  let credential = given.credential == null ? undefined : credentialRef(given.credential)

  return keepAttached<TestExchange>({
    id: given.id ?? (nextId++).toString(16).padStart(32, '0'),
    generation: 1,
    errorShape: given.errorShape ?? 'kong',
    request: Object.freeze({
      method: given.method ?? 'GET',
      httpVersion,
      scheme: given.scheme ?? 'http',
      rawPath,
      path: rawPath,
      rawQuery,
      host,
      headers,
      peerIp,
      peerTrusted: given.peerTrusted ?? false,
      clientIp: given.clientIp ?? peerIp,
      port: given.port ?? 8000,
      body: isBody(given.body) ? given.body : givenBody(given.body),
    }),
    upstream: {
      method: given.method ?? 'GET',
      path: rawPath,
      query: rawQuery,
      headers: new FieldList(headers.entries()),
    },
    route: given.route === null ? undefined : routeRef(given.route ?? {}),
    service: given.service === null ? undefined : serviceRef(given.service ?? {}),
    get consumer() {
      return consumer
    },
    get credential() {
      return credential
    },
    uriCaptures: given.uriCaptures,
    record: {
      startedAtMs: Date.UTC(2026, 4, 12, 12, 0, 0),
      status: 200,
      source: 'service',
      upstreamStatus: 200,
      requestBytes: 100,
      responseBytes: 200,
      requestLatencyMs: 12,
      proxyLatencyMs: 1,
      upstreamLatencyMs: 10,
      firstByteLatencyMs: 11,
      ...given.record,
    },
    identify(nextConsumer, nextCredential) {
      identifications += 1
      consumer = nextConsumer
      credential = nextCredential
    },
    get cancelled() {
      return cancelled
    },
    onCancel(listener) {
      if (cancelled) listener()
      else cancelListeners.push(listener)
    },
    note<T>(key: NoteKey<T>): T | undefined {
      // The key's type parameter is the only writer of this slot (`setNote`), so the value is of type T.
      return notes.get(key.index) as T | undefined
    },
    setNote<T>(key: NoteKey<T>, value: T): void {
      notes.set(key.index, value)
    },
    annotate(field, value) {
      annotations.set(field, value)
    },
    annotations,
    get identifications() {
      return identifications
    },
    cancel() {
      cancelled = true
      for (const listener of cancelListeners.splice(0)) listener()
    },
  })
}

/** A consumer as the configuration would name it. */
export function consumerRef(given: Partial<ConsumerRef>): ConsumerRef {
  const username = 'username' in given ? given.username : 'test-consumer'
  return {
    id: given.id ?? testId('consumer', username ?? given.customId ?? ''),
    username,
    customId: given.customId,
    groups: given.groups ?? [],
    tags: given.tags ?? [],
  }
}

function credentialRef(given: Partial<CredentialRef>): CredentialRef {
  const kind = given.kind ?? 'keyauth_credentials'
  return { id: given.id ?? testId('credential', kind), kind }
}

function routeRef(given: Partial<RouteRef>): RouteRef {
  const name = 'name' in given ? given.name : 'test-route'
  return { id: given.id ?? testId('route', name ?? ''), name, tags: given.tags ?? [] }
}

function serviceRef(given: Partial<ServiceRef>): ServiceRef {
  const name = 'name' in given ? given.name : 'test-service'
  return {
    id: given.id ?? testId('service', name ?? ''),
    name,
    host: given.host ?? 'service.test',
    aiFormat: given.aiFormat,
    provider: given.provider,
    tags: given.tags ?? [],
  }
}

/** A stable identifier in the form of a UUID, made of what the entity is called. */
export function testId(kind: string, name: string): string {
  let hash = 0n
  for (const char of `${kind}:${name}`) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(char.codePointAt(0) ?? 0)) * 0x100000001b3n + 1n)
  }
  const hex = hash.toString(16).padStart(16, '0')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8000-0000${hex.slice(0, 8)}`
}

function isBody(given: BodyGiven | RequestBody | undefined): given is RequestBody {
  return typeof given === 'object' && 'pipe' in given && typeof given.pipe === 'function'
}
