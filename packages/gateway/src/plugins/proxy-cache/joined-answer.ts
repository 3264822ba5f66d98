import type { CachedHead, Exchange, ResponseHead, ResponseSink } from '@pratu/plugin-kit'
import {
  formOf,
  tellAnswer,
  UsageFilter,
  type AnswerForm,
  type RequestFacts,
} from '../../ai/index.ts'
import type { AnswerReader, LiveAnswer } from '../../cache/index.ts'
import type { AiFormat } from '../../config/index.ts'
import { HeaderList } from '../../http/index.ts'
import { answerAsService } from '../../pipeline/index.ts'
import { readLabels } from './answer-labels.ts'

export interface JoinedCall {
  readonly format: AiFormat
  readonly wanted: RequestFacts
  /** It must ask for itself after all. */
  lead(live: LiveAnswer): void
  /** It cannot be given what came, in the form that it wants: it must ask for itself. */
  leadAlone(): void
  /** All of it was given. */
  given(): void
}

/** One more client of a call that somebody else's request made: gets the answer in the form that it asked for. */
export class JoinedAnswer implements AnswerReader {
  readonly #call: JoinedCall
  readonly #exchange: Exchange
  readonly #out: ResponseSink
  #head: CachedHead | undefined
  #form: AnswerForm | undefined
  /** Pieces of an answer that is told in another form when it is complete; `undefined`: it is passed as it comes. */
  #pieces: Uint8Array[] | undefined
  #filter: UsageFilter | undefined

  constructor(call: JoinedCall, exchange: Exchange, out: ResponseSink) {
    this.#call = call
    this.#exchange = exchange
    this.#out = out
  }

  head(head: CachedHead): void {
    this.#head = head
    this.#form = head.status === 200 ? readLabels(head)?.form : undefined
    const { streamed, wantsUsage } = this.#call.wanted
    if (this.#form !== undefined && this.#form !== (streamed ? 'events' : 'json')) {
      this.#pieces = []
      return
    }
    if (this.#form === 'events' && !wantsUsage) this.#filter = new UsageFilter()
    this.#sendHead(head)
  }

  #sendHead({ status, headers }: Pick<CachedHead, 'status' | 'headers'>): void {
    const head: ResponseHead = { status, headers: new HeaderList([...headers]) }
    answerAsService(this.#exchange, head)
    this.#out.head(head)
  }

  write(chunk: Uint8Array): boolean {
    if (this.#pieces !== undefined) {
      this.#pieces.push(chunk)
      return true
    }
    const passed = this.#filter === undefined ? chunk : this.#filter.push(chunk)
    return passed.length === 0 || this.#out.write(passed)
  }

  onDrain(resume: () => void): void {
    this.#out.onDrain(resume)
  }

  end(): void {
    if (this.#pieces !== undefined && !this.#tell(Buffer.concat(this.#pieces))) {
      this.#call.leadAlone()
      return
    }
    const rest = this.#filter?.end()
    if (rest !== undefined && rest.length > 0) this.#out.write(rest)
    this.#call.given()
    this.#out.end()
  }

  #tell(body: Buffer): boolean {
    const { format, wanted } = this.#call
    const told = this.#form === undefined ? undefined : tellAnswer(format, this.#form, body, wanted)
    if (told === undefined || this.#head === undefined) return false
    this.#sendHead({
      status: this.#head.status,
      headers: inForm(this.#head.headers, wanted.streamed ? 'events' : 'json'),
    })
    this.#out.write(told)
    return true
  }

  fail(error: Error): void {
    this.#out.fail(error)
  }

  lead(live: LiveAnswer): void {
    this.#call.lead(live)
  }
}

const TYPES: Readonly<Record<AnswerForm, string>> = {
  json: 'application/json',
  events: 'text/event-stream; charset=utf-8',
}

/** The fields of an answer that is told in this form. */
export function inForm(headers: readonly string[], form: AnswerForm): readonly string[] {
  const told: string[] = []
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] ?? ''
    const value = headers[i + 1] ?? ''
    const isType = name.toLowerCase() === 'content-type'
    told.push(name, isType && formOf(value) !== form ? TYPES[form] : value)
  }
  return told
}
