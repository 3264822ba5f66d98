import { sendFaulty } from '../delivery/faulted.ts'
import { PlainStream, sendComplete } from '../delivery/plain.ts'
import type { ChosenFault } from '../faults/rules.ts'
import type { Answer } from '../formats/answer.ts'
import { formatFor } from '../formats/registry.ts'
import type { AnswerContext, FormatRequest, Problem, WireFormat } from '../formats/wire-format.ts'
import { createLatency } from '../latency/latency.ts'
import { InvalidSetting, parseCount } from '../quantities.ts'
import type { Census } from '../recording/census.ts'
import type { Settings } from '../settings.ts'
import type { Exchange } from '../wire/exchange.ts'
import { headerValue } from '../wire/request-head.ts'
import type { HeaderPair, RequestHead } from '../wire/request-head.ts'
import type { FaultChoice } from './fault-choice.ts'
import { readRequestJson } from './request-json.ts'

const NONCE_HEADER = 'x-simulator-nonce'
const TOKENS_HEADER = 'x-simulator-tokens'
const MAX_ANSWER_TOKENS = 1_000_000
const NO_BODY = Buffer.alloc(0)

function problemOf(error: unknown): Problem {
  if (error instanceof InvalidSetting) {
    return { status: 400, message: error.message, type: 'simulator_error', code: 'invalid_setting' }
  }
  const message = `The simulator failed: ${error instanceof Error ? error.message : String(error)}`
  return { status: 500, message, type: 'simulator_error', code: 'internal_error' }
}

/** Turns requests into answers: which format, which fault, how long, how delivered. */
export class AnsweringMachine {
  readonly #settings: Settings
  readonly #faults: FaultChoice
  readonly #census: Census

  constructor(settings: Settings, faults: FaultChoice, census: Census) {
    this.#settings = settings
    this.#faults = faults
    this.#census = census
  }

  /** @returns true when a fault answers the request without its body. */
  begin(exchange: Exchange): boolean {
    const { head } = exchange
    if (head === undefined) return false
    try {
      const { method, path, headers } = head
      const chosen = this.#faults.atHead({ method, path, headers, model: undefined })
      if (chosen === undefined) return false
      const { noReadMs } = chosen.fault
      if (noReadMs !== undefined) {
        exchange.channel.stopReading(noReadMs)
        this.#noteFault(exchange, chosen)
        // Early and without an answer: nothing follows.
        exchange.early = noReadMs === Infinity
        return exchange.early
      }
      exchange.early = true
      this.#respond(exchange, head, NO_BODY, chosen)
    } catch (error) {
      // The same header is read again with the body, and then the client is told.
      if (!(error instanceof InvalidSetting)) throw error
    }
    return exchange.early
  }

  answer(exchange: Exchange): void {
    const { head, body } = exchange
    if (head !== undefined) this.#respond(exchange, head, body?.decoded ?? NO_BODY, undefined)
  }

  refuse(exchange: Exchange, status: number, reason: string): void {
    const format = formatFor(exchange.head?.path ?? '')
    const problem = { status, message: `Malformed request: ${reason}.`, code: 'malformed_request' }
    sendComplete(exchange, format.error(problem), [], true)
  }

  #respond(
    exchange: Exchange,
    head: RequestHead,
    body: Buffer,
    early: ChosenFault | undefined,
  ): void {
    const format = formatFor(head.path)
    try {
      const { method, path, headers } = head
      const { json, problem } = readRequestJson(body, headers)
      const request: FormatRequest = { method, path, headers, json, bodyProblem: problem }
      const nonce = headerValue(headers, NONCE_HEADER)
      const model = format.model(request)
      const chosen = early ?? this.#faults.atBody({ method, path, headers, model }, nonce, body)
      const answer = format.answer(request, this.#context(exchange, head, nonce, chosen))
      this.#deliver(exchange, format, answer, nonce, chosen)
    } catch (error) {
      sendComplete(exchange, format.error(problemOf(error)), [])
    }
  }

  #context(
    exchange: Exchange,
    head: RequestHead,
    nonce: string | undefined,
    chosen: ChosenFault | undefined,
  ): AnswerContext {
    const { seed, completionTokens, models, strictModels, apiKeys } = this.#settings
    const written = headerValue(head.headers, TOKENS_HEADER)
    const tokens = written === undefined ? undefined : parseCount(written, TOKENS_HEADER, 1)
    const count = tokens === undefined ? undefined : Math.min(tokens, MAX_ANSWER_TOKENS)
    return {
      index: exchange.index,
      seed,
      nonce,
      completionTokens: count === undefined ? completionTokens : { min: count, max: count },
      models,
      strictModels,
      apiKeys,
      usageFault: chosen?.fault.usage,
    }
  }

  #deliver(
    exchange: Exchange,
    format: WireFormat,
    answer: Answer,
    nonce: string | undefined,
    chosen: ChosenFault | undefined,
  ): void {
    const { latency, seed, tokensPerSecond } = this.#settings
    const { index } = exchange
    const fault = chosen?.fault
    const sample = fault?.latency === undefined ? latency : createLatency(fault.latency)
    const latencyMs = sample(seed, index) + (fault?.delayMs ?? 0)
    const pace = fault?.tokensPerSecond ?? tokensPerSecond
    const tokenIntervalMs = pace === undefined ? 0 : 1000 / pace
    const common = format.fields({ index, seed, latencyMs })
    const fields: readonly HeaderPair[] =
      nonce === undefined ? common : [...common, [NONCE_HEADER, nonce]]
    if (answer.kind === 'stream') this.#countStream(exchange)
    if (chosen !== undefined) this.#noteFault(exchange, chosen)
    const send = (): void => {
      if (fault !== undefined) {
        sendFaulty({ exchange, answer, fields, fault, format, tokenIntervalMs })
      } else if (answer.kind === 'complete') sendComplete(exchange, answer, fields)
      else new PlainStream(exchange, answer, fields, tokenIntervalMs).pump()
    }
    if (latencyMs > 0) exchange.after(latencyMs, send)
    else send()
  }

  #noteFault(exchange: Exchange, chosen: ChosenFault): void {
    if (!exchange.faulted) this.#census.faulted += 1
    exchange.faulted = true
    if (exchange.record !== undefined) exchange.record.fault = chosen.text
  }

  #countStream(exchange: Exchange): void {
    const census = this.#census
    census.streams += 1
    census.openStreams += 1
    exchange.onEnd = () => {
      census.openStreams -= 1
    }
  }
}
