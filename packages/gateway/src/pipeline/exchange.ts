import type {
  ConsumerRef,
  CredentialRef,
  ErrorShape,
  ExchangeRecord,
  HeaderFields,
  NoteKey,
  Outcome,
  RequestView,
  Reservation,
  RouteRef,
  ServiceRef,
  UpstreamView,
  UriCaptures,
} from '@pratu/plugin-kit'
import type { GatewayError } from '../errors/index.ts'
import type { RouteMatch } from '../router/index.ts'
import type { Try } from '../upstream/index.ts'
import type { ClientChannel, Departure } from './client-channel.ts'
import type { Flight } from './flight.ts'
import { upstreamHeaders } from './forwarded-headers.ts'
import type { BoundPlugin, Plan } from './plan.ts'
import type { BoundRoute, InterruptibleExchange, Snapshot } from './snapshot.ts'

const NO_TRIES: readonly Try[] = []

/** Where an exchange ends with an error, whatever state its response is in. */
export interface ErrorSink {
  fail(error: unknown): void
}

/** The one implementation of `Exchange`: state only; what happens to it is in the files beside. */
export class LiveExchange implements InterruptibleExchange, ExchangeRecord, UpstreamView {
  readonly id: string
  readonly snapshot: Snapshot
  readonly request: RequestView
  readonly client: ClientChannel

  bound: BoundRoute | undefined
  plan: Plan
  /** The plugin whose `access` runs right now; `identify` needs to know where to go on from. */
  current: BoundPlugin | undefined
  consumer: ConsumerRef | undefined
  credential: CredentialRef | undefined
  uriCaptures: UriCaptures | undefined
  /** The text that `strip_path` removed. */
  matchedPath: string | undefined
  #reservation: Reservation | undefined
  #holds = 0
  flight: Flight | undefined
  spendRefused = false

  method: string
  path = ''
  query = ''
  #upstreamHeaders: HeaderFields | undefined

  outcome: Outcome = 'ok'
  settled = false
  place = -1
  status = 0
  source: 'service' | 'kong' = 'kong'
  upstreamStatus: number | undefined
  eventStream = false
  responseHeaders: HeaderFields | undefined
  tries: readonly Try[] = NO_TRIES
  readonly startedAtMs: number
  readonly #startedAt: number
  #sentAt = -1
  #upstreamHeadAt = -1
  #firstByteAt = -1
  #endedAt = -1

  #notes: unknown[] | undefined
  #annotations: Map<string, unknown> | undefined
  #cancelListener: (() => void) | undefined
  #moreCancelListeners: (() => void)[] | undefined
  #interruptListener: ((error: GatewayError) => void) | undefined
  #enoughListener: (() => void) | undefined
  #departed = false
  #keeper: (() => void) | undefined
  #settleLater: (() => void) | undefined
  /** Takes an interruption while no handler is at work. */
  errorSink: ErrorSink | undefined

  constructor(id: string, snapshot: Snapshot, request: RequestView, client: ClientChannel) {
    this.id = id
    this.snapshot = snapshot
    this.request = request
    this.client = client
    this.plan = snapshot.globals
    this.method = request.method
    this.query = request.rawQuery
    this.startedAtMs = Date.now()
    this.#startedAt = performance.now()
  }

  get generation(): number {
    return this.snapshot.generation
  }

  get errorShape(): ErrorShape {
    return this.bound?.errorShape ?? 'kong'
  }

  get route(): RouteRef | undefined {
    return this.bound?.route
  }

  get service(): ServiceRef | undefined {
    return this.bound?.service?.service
  }

  get upstream(): UpstreamView {
    return this
  }

  get headers(): HeaderFields {
    return (this.#upstreamHeaders ??= upstreamHeaders(this))
  }

  get record(): ExchangeRecord {
    return this
  }

  bind(match: RouteMatch<BoundRoute>, upstreamPath: string): void {
    this.bound = match.value
    this.plan = match.value.plan
    this.uriCaptures = match.captures
    this.matchedPath = match.matchedPath
    this.path = upstreamPath
  }

  identify(consumer: ConsumerRef | undefined, credential: CredentialRef | undefined): void {
    this.consumer = consumer
    this.credential = credential
    if (consumer === undefined || this.bound === undefined || this.current === undefined) return
    this.plan = this.bound.planFor(this.plan, this.current, consumer.id)
  }

  admit(reservation: Reservation, holds: number): void {
    this.#reservation = reservation
    this.#holds = holds
  }

  /** Closes the holds, once: as taken, or given back when the request turned out to be none. */
  closeHolds(giveBack: boolean): void {
    this.#reservation?.close(giveBack ? new Array<number>(this.#holds).fill(0) : undefined)
  }

  get cancelled(): boolean {
    return this.#departed && this.#keeper === undefined
  }

  onCancel(listener: () => void): void {
    if (this.cancelled) listener()
    else if (this.#cancelListener === undefined) this.#cancelListener = listener
    else (this.#moreCancelListeners ??= []).push(listener)
  }

  /** The client has gone: everyone who works for it is told, once. What had been decided about it stays its outcome. */
  depart(departure: Departure): void {
    if (this.#departed) return
    this.#departed = true
    if (this.outcome === 'ok') this.outcome = departure
    if (this.#keeper === undefined) this.#cancel()
    else this.#tell(this.#keeper)
  }

  #cancel(): void {
    if (this.#cancelListener !== undefined) this.#tell(this.#cancelListener)
    for (const listener of this.#moreCancelListeners ?? []) this.#tell(listener)
  }

  #tell(listener: () => void): void {
    try {
      listener()
    } catch (error) {
      // One listener's failure must not keep the upstream of another open (F05).
      this.snapshot.context.observer.failed(this, error)
    }
  }

  /**
   * From now on its work is not for its own client alone. Until `release`, that client's departure cancels nothing, and the
   * exchange does not settle: its holds, its usage and its log line are those of the whole work.
   *
   * @param onDeparture told when the client goes, in place of everyone who works.
   */
  retain(onDeparture: () => void): void {
    this.#keeper = onDeparture
    if (this.#departed) this.#tell(onDeparture)
  }

  /** The work is over (`done`), or nobody is left who wants it: then what is still under way is cancelled. */
  release(done: boolean): void {
    if (this.#keeper === undefined) return
    this.#keeper = undefined
    if (this.#departed && !done) this.#cancel()
    const settle = this.#settleLater
    this.#settleLater = undefined
    settle?.()
  }

  /** @returns whether settling has to wait for `release`, which will call `settle`. */
  postponeSettling(settle: () => void): boolean {
    if (this.#keeper === undefined) return false
    this.#settleLater = settle
    // What its client waited is known now.
    if (!this.#departed) this.markEnded()
    return true
  }

  onInterrupt(listener: (error: GatewayError) => void): void {
    this.#interruptListener = listener
  }

  interrupt(error: GatewayError): void {
    if (this.#interruptListener === undefined) this.errorSink?.fail(error)
    else this.#interruptListener(error)
  }

  onEnough(listener: () => void): void {
    this.#enoughListener = listener
  }

  enough(): void {
    this.#enoughListener?.()
  }

  openFlight(flight: Flight): void {
    this.flight = flight
  }

  refuseSpend(): void {
    this.spendRefused = true
  }

  note<T>(key: NoteKey<T>): T | undefined {
    // The slot of a key only ever holds what was set with that key.
    return this.#notes?.[key.index] as T | undefined
  }

  setNote<T>(key: NoteKey<T>, value: T): void {
    ;(this.#notes ??= [])[key.index] = value
  }

  annotate(field: string, value: unknown): void {
    ;(this.#annotations ??= new Map()).set(field, value)
  }

  get annotations(): ReadonlyMap<string, unknown> | undefined {
    return this.#annotations
  }

  markSent(): void {
    if (this.#sentAt < 0) this.#sentAt = performance.now()
  }

  markUpstreamHead(status: number): void {
    this.upstreamStatus = status
    this.#upstreamHeadAt = performance.now()
  }

  markFirstByte(): void {
    if (this.#firstByteAt < 0) this.#firstByteAt = performance.now()
  }

  markEnded(): void {
    if (this.#endedAt < 0) this.#endedAt = performance.now()
  }

  get requestBytes(): number {
    return this.client.bytesReceived
  }

  get responseBytes(): number {
    return this.client.bytesSent
  }

  get requestLatencyMs(): number {
    return (this.#endedAt < 0 ? performance.now() : this.#endedAt) - this.#startedAt
  }

  get proxyLatencyMs(): number {
    return this.#sentAt < 0 ? -1 : this.#sentAt - this.#startedAt
  }

  get upstreamLatencyMs(): number {
    return this.#upstreamHeadAt < 0 ? -1 : this.#upstreamHeadAt - this.#sentAt
  }

  get firstByteLatencyMs(): number {
    return this.#firstByteAt < 0 ? -1 : this.#firstByteAt - this.#startedAt
  }
}
