import type {
  CachedHead,
  CachedResponse,
  CacheLifetime,
  Exchange,
  Handler,
  ResponseHead,
  ResponseSink,
  Saved,
} from '@pratu/plugin-kit'
import { METERED, completionTokens, examineAnswer, formOf, promptTokens } from '../../ai/index.ts'
import type { AnswerReader, LiveAnswer, Place } from '../../cache/index.ts'
import type { AiFormat } from '../../config/index.ts'
import { HeaderList } from '../../http/index.ts'
import { retain, type Retained } from '../../pipeline/index.ts'
import { labelsOf, MARK_EITHER } from './answer-labels.ts'
import { sharedFields } from './stored-fields.ts'

/** What the leader of a call has to know of it. */
export interface LedCall {
  readonly format: AiFormat
  readonly live: LiveAnswer
  readonly tenant: string
  readonly model: string | undefined
  /** Whether a stream of the answer tells the usage. */
  readonly hasUsage: boolean
  /** What may be given when the upstream fails. */
  readonly standIn: CachedResponse | undefined
  readonly whenClientLeaves: 'cancel' | 'finish'
  /** @returns who gives its client the stand-in, in the form that it wants. */
  giveStandIn: (found: CachedResponse, out: ResponseSink) => AnswerReader
  /** For how long an answer with this head may be kept; `undefined` = not at all. */
  lifetimeOf: (head: ResponseHead) => CacheLifetime | undefined
}

/** Errors that another try may not meet. */
function isPassing(status: number): boolean {
  return status >= 500 || status === 408 || status === 429
}

/** Errors about the one who asked. */
function isPersonal(status: number): boolean {
  return status === 401 || status === 402 || status === 403 || status === 407
}

/**
 * Where the upstream's answer goes: to everyone who waits for it, and into the cache when it has proved to be complete. Its
 * own client is one reader among the others, and may leave without ending it (F73).
 */
export class LedAnswer implements ResponseSink {
  readonly #call: LedCall
  readonly #exchange: Exchange
  /** `undefined`: its client has its answer already. */
  readonly #out: ResponseSink | undefined
  #retained: Retained | undefined
  #place: Place | undefined
  #head: ResponseHead | undefined
  #lifetime: CacheLifetime | undefined
  /** What comes from the upstream is of no use any more: something else was given in its place. */
  #replaced = false
  #over = false

  constructor(call: LedCall, exchange: Exchange, out: ResponseSink | undefined) {
    this.#call = call
    this.#exchange = exchange
    this.#out = out
  }

  /** Asks the upstream. */
  start(next: Handler): void {
    const { live, whenClientLeaves } = this.#call
    this.#retained = retain(this.#exchange, () => this.leave())
    if (this.#out !== undefined) this.#place = live.lead(this.#reader(this.#out))
    live.onNoReaders(() => {
      if (whenClientLeaves === 'cancel') this.#giveUp()
    })
    try {
      next(this.#exchange, this)
    } catch (error) {
      this.fail(error instanceof Error ? error : new Error(String(error)))
    }
  }

  #reader(out: ResponseSink): AnswerReader {
    const { standIn, giveStandIn } = this.#call
    let other: AnswerReader | undefined
    return {
      head: (head) => {
        if (this.#replaced && standIn !== undefined) {
          other = giveStandIn(standIn, out)
          other.head(head)
        } else out.head(this.#head ?? asHead(head))
      },
      write: (chunk) => (other ?? out).write(chunk),
      onDrain: (resume) => out.onDrain(resume),
      end: () => (other ?? out).end(),
      fail: (error) => out.fail(error),
      lead: () => undefined,
    }
  }

  /** Its client has gone, or has all of its answer. */
  leave(): void {
    const place = this.#place
    this.#place = undefined
    place?.leave()
  }

  /** Nobody is left who wants the answer. */
  #giveUp(): void {
    if (this.#over) return
    this.#over = true
    this.#call.live.fail(new Error('nobody is left to read the answer'))
    this.#retained?.release(false)
  }

  head(head: ResponseHead): void {
    if (this.#over) return
    const { live } = this.#call
    this.#head = head
    if (isPassing(head.status) && this.#standIn()) return
    this.#lifetime = this.#call.lifetimeOf(head)
    const form = formOf(head.headers.get('content-type'))
    const kept = this.#lifetime !== undefined && form !== undefined
    live.head(
      {
        status: head.status,
        headers: sharedFields(head.headers.flat),
        ...(form === undefined ? {} : { labels: labelsOf(this.#call, form) }),
      },
      kept ? 'kept' : isPassing(head.status) || isPersonal(head.status) ? 'mine' : 'passed',
    )
    this.#mindReaders()
  }

  write(chunk: Uint8Array): boolean {
    if (this.#over || this.#replaced) return true
    const taken = this.#call.live.write(chunk)
    this.#mindReaders()
    return taken
  }

  /** The only reader's response failed on its own, so that nobody told the upstream. */
  #mindReaders(): void {
    if (this.#over) throw new Error('nobody is left to read the answer')
  }

  onDrain(resume: () => void): void {
    this.#call.live.onDrain(resume)
  }

  end(): void {
    if (this.#over) return
    this.#over = true
    if (!this.#replaced) this.#call.live.end(this.#finalLifetime())
    this.#retained?.release(true)
  }

  fail(error: Error): void {
    if (this.#over) return
    if (this.#head === undefined && this.#standIn()) {
      this.end()
      return
    }
    this.#over = true
    if (!this.#replaced) this.#call.live.fail(error)
    this.#retained?.release(true)
  }

  /** Gives everyone an old answer in place of an error. */
  #standIn(): boolean {
    const { live, standIn } = this.#call
    if (standIn === undefined || live.answered) return false
    this.#replaced = true
    live.head(standIn, 'passed')
    live.write(standIn.body)
    live.end(undefined)
    return true
  }

  #finalLifetime(): CacheLifetime | undefined {
    const { live, format } = this.#call
    const form = formOf(this.#head?.headers.get('content-type'))
    if (this.#lifetime === undefined || form === undefined) return undefined
    live.saved = this.#saved()
    const answer = live.answer()
    if (answer === undefined) return undefined
    const judged = examineAnswer(
      format,
      form,
      Buffer.from(answer.buffer, answer.byteOffset, answer.length),
    )
    if (judged === 'broken') return undefined
    return { ...this.#lifetime, saved: live.saved, mark: judged === 'either' ? MARK_EITHER : 0 }
  }

  #saved(): Saved | undefined {
    const metered = this.#exchange.note(METERED)
    if (metered === undefined) return undefined
    return {
      promptTokens: promptTokens(metered.usage),
      completionTokens: completionTokens(metered.usage),
      nanoDollars: metered.cost.nanoDollars,
    }
  }
}

function asHead({ status, headers }: CachedHead): ResponseHead {
  return { status, headers: new HeaderList([...headers]) }
}
