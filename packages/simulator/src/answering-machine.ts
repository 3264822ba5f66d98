import { sendFaulty } from './delivery/faulted.ts'
import { PlainStream, sendComplete } from './delivery/plain.ts'
import { parseFault } from './faults/parse-fault.ts'
import { isEarly, RuleSet } from './faults/rules.ts'
import type { ChosenFault, FaultRule } from './faults/rules.ts'
import type { Answer } from './formats/answer.ts'
import { formatFor } from './formats/registry.ts'
import type { AnswerContext, FormatRequest, WireFormat } from './formats/wire-format.ts'
import { createLatency } from './latency/latency.ts'
import { InvalidSetting, parseCount } from './latency/quantities.ts'
import type { Responder, SimulatorServer } from './server.ts'
import type { Settings } from './settings.ts'
import type { Exchange } from './wire/exchange.ts'
import { headerValue } from './wire/request-head.ts'
import type { HeaderPair, RequestHead } from './wire/request-head.ts'

const FAULT_HEADER = 'x-simulator-fault'
const NONCE_HEADER = 'x-simulator-nonce'
const TOKENS_HEADER = 'x-simulator-tokens'

function readJson(body: Buffer): { json: unknown; problem: string | undefined } {
  if (body.length === 0)
    return { json: undefined, problem: 'The request body is empty; a JSON object is expected.' }
  try {
    const json: unknown = JSON.parse(body.toString('utf8'))
    return { json, problem: undefined }
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error)
    return { json: undefined, problem: `The request body could not be parsed as JSON: ${detail}` }
  }
}

/** Turns requests into answers: which format, which fault, how long, how delivered. */
export class AnsweringMachine implements Responder {
  readonly #settings: Settings
  #server: SimulatorServer | undefined
  #rules: RuleSet
  #openStreams = 0

  constructor(settings: Settings) {
    this.#settings = settings
    this.#rules = new RuleSet(settings.rules, settings.seed)
  }

  get openStreams(): number {
    return this.#openStreams
  }

  attach(server: SimulatorServer): void {
    this.#server = server
  }

  setRules(rules: readonly FaultRule[]): void {
    this.#rules = new RuleSet(rules, this.#settings.seed)
  }

  clear(): void {
    this.setRules(this.#settings.rules)
    this.#server?.restart()
  }

  begin(exchange: Exchange): boolean {
    const { head } = exchange
    if (head === undefined) return false
    const written = headerValue(head.headers, FAULT_HEADER)
    let chosen: ChosenFault | undefined
    if (written === undefined)
      chosen = this.#rules.choose(
        { method: head.method, path: head.path, model: undefined, headers: head.headers },
        'head',
      )
    else {
      try {
        const fault = parseFault(written)
        if (isEarly(fault)) chosen = { fault, text: written }
      } catch (error) {
        // Told when the body is there, like every other problem of the request.
        if (!(error instanceof InvalidSetting)) throw error
      }
    }
    if (chosen === undefined) return false
    exchange.early = true
    this.#respond(exchange, head, Buffer.alloc(0), chosen)
    return true
  }

  answer(exchange: Exchange): void {
    if (exchange.head !== undefined)
      this.#respond(exchange, exchange.head, exchange.body?.decoded ?? Buffer.alloc(0), undefined)
  }

  refuse(exchange: Exchange, status: number, reason: string): void {
    const answer = formatFor('').error({
      status,
      message: `Malformed request: ${reason}.`,
      code: 'malformed_request',
    })
    const body = answer.body.toString()
    exchange.write(
      `HTTP/1.1 ${status} Bad Request\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
    )
    exchange.finish(false)
  }

  #respond(
    exchange: Exchange,
    head: RequestHead,
    body: Buffer,
    early: ChosenFault | undefined,
  ): void {
    const format = formatFor(head.path)
    try {
      const { json, problem } = readJson(body)
      const request: FormatRequest = {
        method: head.method,
        path: head.path,
        headers: head.headers,
        json,
        bodyProblem: problem,
      }
      const chosen = early ?? this.#chooseFault(head, format, request)
      const answer = format.answer(request, this.#context(exchange, head, chosen))
      if (exchange.record !== undefined) exchange.record.fault = chosen?.text
      this.#deliver(
        exchange,
        format,
        withNonce(answer, headerValue(head.headers, NONCE_HEADER)),
        chosen,
      )
    } catch (error) {
      const message =
        error instanceof InvalidSetting ? error.message : `The simulator failed: ${String(error)}`
      const status = error instanceof InvalidSetting ? 400 : 500
      sendComplete(
        exchange,
        format.error({ status, message, type: 'simulator_error', code: 'simulator_error' }),
      )
    }
  }

  #chooseFault(
    head: RequestHead,
    format: WireFormat,
    request: FormatRequest,
  ): ChosenFault | undefined {
    const written = headerValue(head.headers, FAULT_HEADER)
    if (written !== undefined) return { fault: parseFault(written), text: written }
    return this.#rules.choose(
      { method: head.method, path: head.path, model: format.model(request), headers: head.headers },
      'body',
    )
  }

  #context(exchange: Exchange, head: RequestHead, chosen: ChosenFault | undefined): AnswerContext {
    const { seed, completionTokens, models, strictModels, apiKeys } = this.#settings
    const tokens = headerValue(head.headers, TOKENS_HEADER)
    const count = tokens === undefined ? undefined : parseCount(tokens, TOKENS_HEADER, 1)
    return {
      index: exchange.index,
      seed,
      nonce: headerValue(head.headers, NONCE_HEADER),
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
    chosen: ChosenFault | undefined,
  ): void {
    const { latency, seed, tokensPerSecond } = this.#settings
    const fault = chosen?.fault
    const sample = fault?.latency === undefined ? latency : createLatency(fault.latency)
    const delayMs = sample(seed, exchange.index) + (fault?.delayMs ?? 0)
    const pace = fault?.tokensPerSecond ?? tokensPerSecond
    const tokenIntervalMs = pace === undefined ? 0 : 1000 / pace
    if (answer.kind === 'stream') this.#countStream(exchange)
    const send = (): void => {
      if (fault !== undefined) void sendFaulty({ exchange, answer, fault, format, tokenIntervalMs })
      else if (answer.kind === 'complete') sendComplete(exchange, answer)
      else new PlainStream(exchange, answer, tokenIntervalMs).pump()
    }
    if (delayMs > 0) exchange.after(delayMs, send)
    else send()
  }

  #countStream(exchange: Exchange): void {
    this.#openStreams += 1
    exchange.onEnd = () => {
      this.#openStreams -= 1
    }
  }
}

function withNonce(answer: Answer, nonce: string | undefined): Answer {
  if (nonce === undefined) return answer
  const pair: HeaderPair = [NONCE_HEADER, nonce]
  return { ...answer, headers: [...answer.headers, pair] }
}
