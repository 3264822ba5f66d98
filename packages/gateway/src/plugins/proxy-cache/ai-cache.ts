import { hash } from 'node:crypto'
import type {
  AnswerReply,
  Awaitable,
  CachedResponse,
  Exchange,
  Handler,
  PluginContext,
  Reply,
  ResponseSink,
  Saved,
} from '@pratu/plugin-kit'
import { canTell, readRequestFacts, tellAnswer, type RequestFacts } from '../../ai/index.ts'
import {
  Answers,
  type Judgement,
  type LiveAnswer,
  type Opened,
  type Place,
} from '../../cache/index.ts'
import type { AiFormat } from '../../config/index.ts'
import { answerKey, tenantOf } from './ai-key.ts'
import { ruleFor } from './ai-settings.ts'
import { aiLifetime, lifetimesOf, type Lifetimes } from './ai-storable.ts'
import { MARK_EITHER, readLabels } from './answer-labels.ts'
import { parseCacheControl, refusesAge, seconds, type Directives } from './cache-control.ts'
import type { ProxyCacheConfig } from './config.ts'
import { FactsMemo } from './facts-memo.ts'
import { inForm, JoinedAnswer } from './joined-answer.ts'
import { LedAnswer } from './led-answer.ts'
import { toReplyHeaders } from './stored-fields.ts'
import { bypass, visit, type Pending, type Status, type Visit } from './visit.ts'

/** Request bodies up to here are read for the key; beyond it the request passes the cache by. */
const KEYED_BODY_BYTES = 1024 * 1024

const NOT_CACHED: AnswerReply = {
  kind: 'answer',
  status: 504,
  headers: {},
  body: new Uint8Array(0),
}

export interface AiCacheDeps {
  readonly config: ProxyCacheConfig
  readonly ttlSeconds: number
  readonly context: PluginContext
  /** Told what an exchange saved by not asking the upstream. */
  readonly onSaved: (exchange: Exchange, saved: Saved) => void
}

/** One request for a model's answer, as far as the cache has understood it. */
interface Ask {
  readonly format: AiFormat
  readonly facts: RequestFacts
  readonly tenant: string
  readonly model: string | undefined
  readonly lifetimes: Lifetimes
}

/**
 * The cache of AI traffic: answers of models by the whole meaning of the request and by tenant, one upstream call for
 * equal requests at once, and each answer in the form that its caller wants.
 */
export class AiCache {
  readonly #deps: AiCacheDeps
  readonly #answers: Answers
  readonly #memo = new FactsMemo()

  constructor(deps: AiCacheDeps) {
    const { context } = deps
    this.#deps = deps
    this.#answers = context.keep('answers', () => new Answers(context.cache, context.instance.id))
  }

  access(exchange: Exchange, format: AiFormat): Awaitable<Reply | undefined> {
    const { body, headers } = exchange.request
    const directives = parseCacheControl(headers.all('cache-control'))
    const control = headers.get('x-pratu-cache')?.trim().toLowerCase()
    if (control === 'bypass' || directives.has('no-store')) return bypass(exchange)
    const refresh = control === 'refresh' || directives.has('no-cache')
    const buffered = body.buffer(KEYED_BODY_BYTES)
    if (buffered === 'complete') return this.#lookUp(exchange, format, directives, refresh)
    if (buffered === 'partial') return bypass(exchange)
    return buffered.then((state) =>
      state === 'complete' ? this.#lookUp(exchange, format, directives, refresh) : bypass(exchange),
    )
  }

  #lookUp(
    exchange: Exchange,
    format: AiFormat,
    directives: Directives,
    refresh: boolean,
  ): Awaitable<Reply | undefined> {
    const bytes = exchange.request.body.bytes(Number.MAX_SAFE_INTEGER)
    return bytes instanceof Promise
      ? bytes.then((late) => this.#open(exchange, format, directives, refresh, late))
      : this.#open(exchange, format, directives, refresh, bytes)
  }

  #open(
    exchange: Exchange,
    format: AiFormat,
    directives: Directives,
    refresh: boolean,
    body: Uint8Array,
  ): Reply | undefined {
    // A body that had arrived before anybody asked is complete, whatever its size.
    if (body.length > KEYED_BODY_BYTES || exchange.cancelled) return bypass(exchange)
    const { config, ttlSeconds } = this.#deps
    const facts = this.#memo.read(format + hash('sha256', body), () =>
      readRequestFacts(format, viewOf(body)),
    )
    if (facts === undefined || facts.hasEffects) return bypass(exchange)
    const rule = ruleFor(config.ai, facts.model)
    if (rule?.cached === false || (config.ai.deterministicOnly && !facts.deterministic))
      return bypass(exchange)
    const tenant = tenantOf(exchange, config.ai)
    const key = answerKey(tenant, exchange, config, facts)
    const lifetimes = lifetimesOf(config, rule?.ttlSeconds ?? ttlSeconds)
    const ask: Ask = { format, facts, tenant: tenant.id, model: facts.model, lifetimes }
    const opened = this.#answers.open({
      key,
      lanes: facts.wantsUsage ? ['told'] : ['untold', 'told'],
      lookUp: !refresh,
      share: config.ai.shareCalls,
      ask: !directives.has('only-if-cached'),
      judge: (found) => this.#judge(ask, found, directives),
    })
    return this.#answer(exchange, ask, key.digest, opened, refresh)
  }

  #judge({ format, facts }: Ask, found: CachedResponse, directives: Directives): Judgement {
    const { ai } = this.#deps.config
    if (!isTellable(format, found, facts)) return 'unusable'
    const { ageMs, freshMs } = found
    if (refusesAge(directives, Math.floor(ageMs / 1000), freshMs / 1000)) return 'unusable'
    if (ageMs <= freshMs) return 'fresh'
    const maxStale = directives.get('max-stale')
    if (maxStale === true || seconds(directives, 'max-stale') !== undefined) return 'fresh'
    return ageMs <= freshMs + ai.staleWhileRevalidateMs ? 'stale' : 'unusable'
  }

  #answer(
    exchange: Exchange,
    ask: Ask,
    key: string,
    opened: Opened,
    refresh: boolean,
  ): Reply | undefined {
    switch (opened.kind) {
      case 'none':
        visit(exchange, 'Miss', key)
        return NOT_CACHED
      case 'hit':
        return this.#hit(exchange, ask, key, opened.found)
      case 'stale': {
        const visited = visit(exchange, 'Hit', key, { age: ageOf(opened.found) })
        visited.pending = new StaleHit(this.#turn(exchange, ask, visited), opened)
        return undefined
      }
      case 'follow': {
        const visited = visit(exchange, 'Hit', key)
        visited.followed = true
        visited.pending = this.#turn(exchange, ask, visited).follow(opened.live)
        return undefined
      }
      case 'lead': {
        const status: Status = refresh || opened.found !== undefined ? 'Refresh' : 'Miss'
        const visited = visit(exchange, status, key)
        visited.pending = this.#turn(exchange, ask, visited).lead(
          opened.live,
          this.#standInOf(ask, opened.found),
        )
        return undefined
      }
    }
  }

  #hit(
    exchange: Exchange,
    { format, facts }: Ask,
    key: string,
    found: CachedResponse,
  ): Reply | undefined {
    const form = readLabels(found)?.form
    const body = form === undefined ? undefined : tellAnswer(format, form, found.body, facts)
    if (body === undefined) return bypass(exchange)
    visit(exchange, 'Hit', key, { age: ageOf(found) })
    if (found.saved !== undefined) this.#deps.onSaved(exchange, found.saved)
    return {
      kind: 'answer',
      status: found.status,
      headers: toReplyHeaders(inForm(found.headers, facts.streamed ? 'events' : 'json')),
      body,
      source: 'service',
    }
  }

  #standInOf(
    { format, facts }: Ask,
    found: CachedResponse | undefined,
  ): CachedResponse | undefined {
    if (found === undefined || !isTellable(format, found, facts)) return undefined
    const { staleIfErrorMs } = this.#deps.config.ai
    return staleIfErrorMs > 0 && found.ageMs <= found.freshMs + staleIfErrorMs ? found : undefined
  }

  #turn(exchange: Exchange, ask: Ask, visited: Visit): Turn {
    return new Turn({ deps: this.#deps, answers: this.#answers, exchange, ask, visited })
  }
}

function isTellable(format: AiFormat, found: CachedResponse, facts: RequestFacts): boolean {
  const labels = readLabels(found)
  if (labels === undefined) return false
  return canTell(format, { ...labels, either: found.mark === MARK_EITHER }, facts)
}

function ageOf({ ageMs }: CachedResponse): number {
  return Math.floor(ageMs / 1000)
}

function viewOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

interface TurnParts {
  readonly deps: AiCacheDeps
  readonly answers: Answers
  readonly exchange: Exchange
  readonly ask: Ask
  readonly visited: Visit
}

/** What one exchange does when its handler's turn comes: ask the upstream for all, or read along. */
class Turn implements Pending {
  readonly #parts: TurnParts
  #begin: (() => void) | undefined
  #place: Place | undefined
  #led: LedAnswer | undefined
  #waiting: LiveAnswer | undefined
  #next: Handler | undefined
  #out: ResponseSink | undefined

  constructor(parts: TurnParts) {
    this.#parts = parts
  }

  lead(live: LiveAnswer, standIn: CachedResponse | undefined): this {
    this.#waiting = live
    this.#begin = () => this.startLeading(live, standIn, this.#out)
    return this
  }

  follow(live: LiveAnswer): this {
    this.#begin = () => this.#join(live)
    return this
  }

  run(next: Handler, exchange: Exchange, out: ResponseSink): void {
    this.#next = next
    this.#out = out
    exchange.onCancel(() => this.#place?.leave())
    this.#begin?.()
  }

  useHandler(next: Handler, out: ResponseSink): void {
    this.#next = next
    this.#out = out
  }

  leave(): void {
    this.#place?.leave()
    this.#led?.leave()
    // Its handler's turn never came: whoever follows has somebody else ask.
    this.#waiting?.fail(new Error('the request that was to ask the upstream ended before it did'))
    this.#waiting = undefined
  }

  #join(live: LiveAnswer): void {
    const { deps } = this.#parts
    const out = this.#out
    if (out === undefined) return
    this.#place = live.follow(this.reader(out, live), deps.config.ai.shareTimeoutMs)
  }

  /** @returns who gives `out` the answer in the form that its client wants. */
  reader(out: ResponseSink, live: LiveAnswer | undefined): JoinedAnswer {
    const { deps, answers, exchange, ask } = this.#parts
    return new JoinedAnswer(
      {
        format: ask.format,
        wanted: ask.facts,
        lead: (next) => this.#takeOver(next),
        leadAlone: () => {
          if (live !== undefined) this.#takeOver(answers.alone(live))
        },
        given: () => {
          if (live?.saved !== undefined) deps.onSaved(exchange, live.saved)
        },
      },
      exchange,
      out,
    )
  }

  /** It was to read along, and must ask for itself now. */
  #takeOver(live: LiveAnswer): void {
    const { visited } = this.#parts
    this.#place = undefined
    visited.status = 'Miss'
    visited.followed = false
    this.startLeading(live, undefined, this.#out)
  }

  /** @param out `undefined`: its client has its answer already. */
  startLeading(
    live: LiveAnswer,
    standIn: CachedResponse | undefined,
    out: ResponseSink | undefined,
  ): void {
    const { deps, exchange, ask, visited } = this.#parts
    if (this.#next === undefined) return
    this.#waiting = undefined
    this.#led = new LedAnswer(
      {
        ...ask,
        live,
        hasUsage: ask.facts.wantsUsage,
        standIn,
        whenClientLeaves: deps.config.ai.whenClientLeaves,
        giveStandIn: (found, to) => {
          visited.status = 'Hit'
          visited.age = ageOf(found)
          return this.reader(to, undefined)
        },
        lifetimeOf: (head) => aiLifetime(deps.config, exchange, head, ask.lifetimes),
      },
      exchange,
      out,
    )
    this.#led.start(this.#next)
  }
}

/** Gives an old answer, and asks for a new one for those who come later. */
class StaleHit implements Pending {
  readonly #turn: Turn
  readonly #opened: Extract<Opened, { kind: 'stale' }>

  constructor(turn: Turn, opened: Extract<Opened, { kind: 'stale' }>) {
    this.#turn = turn.lead(opened.live, undefined)
    this.#opened = opened
  }

  run(next: Handler, _exchange: Exchange, out: ResponseSink): void {
    const { found, live } = this.#opened
    this.#turn.useHandler(next, out)
    // First of all the hold on the exchange: with its answer given it would settle.
    this.#turn.startLeading(live, undefined, undefined)
    const reader = this.#turn.reader(out, undefined)
    reader.head(found)
    reader.write(found.body)
    reader.end()
  }

  leave(): void {
    this.#turn.leave()
  }
}
