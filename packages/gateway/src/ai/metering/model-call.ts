import { createNoteKey, type ModelCall, type NoteKey } from '@pratu/plugin-kit'
import type { AiFormat } from '../../config/index.ts'
import type { CallReader } from '../../pipeline/index.ts'
import type { PricedService, Pricing } from '../prices/index.ts'
import { NO_USAGE, readServiceTier, type Usage } from '../usage/index.ts'
import { readRequest, type RequestFacts } from './request-facts.ts'
import { modelInPath } from './request-model.ts'

/** A call as its request tells it, with what only the end of its stream needs to know. */
export class RequestedCall implements ModelCall {
  readonly format: AiFormat
  readonly model: string | undefined
  readonly streamed: boolean
  readonly inputTokens: number
  readonly maxOutputTokens: number | undefined
  /** How many answers were asked for. */
  readonly choices: number
  /** Whether the stream is to tell its usage. */
  readonly includeUsage: boolean
  readonly #serviceTier: string | undefined
  readonly #mayWriteLongCache: boolean
  readonly #service: PricedService
  readonly #pricing: Pricing

  constructor(
    format: AiFormat,
    facts: RequestFacts,
    path: string,
    service: PricedService,
    pricing: Pricing,
  ) {
    this.format = format
    this.model = facts.model ?? modelInPath(path)
    this.streamed = facts.streamed || path.includes(':streamGenerateContent')
    this.inputTokens = facts.inputTokens
    this.choices = facts.choices
    this.maxOutputTokens = mostOutput(format, facts)
    this.includeUsage = facts.includeUsage
    this.#serviceTier = readServiceTier(facts.serviceTier)
    this.#mayWriteLongCache = facts.cacheControl
    this.#service = service
    this.#pricing = pricing
  }

  cost(inputTokens: number, outputTokens: number): number | undefined {
    const plain = this.#price({ inputUncached: inputTokens, outputText: outputTokens })
    if (plain === undefined) return undefined
    // What is written to a cache costs more than what is only read, and the provider decides.
    const written = this.#price({ cacheWrite: inputTokens, outputText: outputTokens }) ?? plain
    const long = this.#mayWriteLongCache
      ? (this.#price({ cacheWriteLong: inputTokens, outputText: outputTokens }) ?? plain)
      : plain
    return Math.max(plain, written, long)
  }

  #price(counts: Partial<Usage>): number | undefined {
    return this.#pricing.cost(this.#service, [this.model], {
      ...NO_USAGE,
      ...counts,
      serviceTier: this.#serviceTier,
      source: 'estimated',
    }).nanoDollars
  }
}

function mostOutput(
  format: AiFormat,
  { maxOutputTokens, choices }: RequestFacts,
): number | undefined {
  if (format === 'openai-embeddings') return 0
  return maxOutputTokens === undefined ? undefined : maxOutputTokens * choices
}

/** Where the spend stage leaves the call for the meter. */
export const REQUESTED_CALL: NoteKey<RequestedCall> = createNoteKey('requested-call')

/** Reads a call to a model from its request, for the plugins that limit what it may use. */
export function createCallReader(pricing: Pricing): CallReader {
  return (exchange, { service }) => {
    const { body, path } = exchange.request
    if (service.aiFormat === undefined || body.empty) return undefined
    const bytes = body.bytes(Number.MAX_SAFE_INTEGER)
    if (bytes instanceof Promise) throw new Error('the spend stage has read the body before')
    const json = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    const facts = readRequest(service.aiFormat, json)
    const call = new RequestedCall(service.aiFormat, facts, path, service, pricing)
    exchange.setNote(REQUESTED_CALL, call)
    return call
  }
}
