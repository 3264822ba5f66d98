import type { FaultChoice } from '../answering/fault-choice.ts'
import { sendComplete } from '../delivery/plain.ts'
import { parseRules } from '../faults/parse-rules.ts'
import type { CompleteAnswer } from '../formats/answer.ts'
import { InvalidSetting, parseCount } from '../quantities.ts'
import type { Census } from '../recording/census.ts'
import type { RecordedRequest } from '../recording/recorded-request.ts'
import type { Recorder } from '../recording/recorder.ts'
import type { Exchange } from '../wire/exchange.ts'
import { describeRequest } from './describe-request.ts'

export const CONTROL_PREFIX = '/__simulator/'

const MAX_WAIT_MS = 60_000
const DEFAULT_LIMIT = 100

function json(value: unknown, status = 200): CompleteAnswer {
  const headers = [['content-type', 'application/json'] as const]
  return { kind: 'complete', status, headers, body: JSON.stringify(value) }
}

function problem(status: number, message: string): CompleteAnswer {
  return json({ error: { message, type: 'simulator_error', code: null, param: null } }, status)
}

/** What the control endpoint acts on. */
export interface ControlSubject {
  readonly seed: number
  readonly recorder: Recorder
  readonly census: Census
  readonly faults: FaultChoice
  /** Back to the state of the start. */
  clear(): void
}

/** `/__simulator/…`: the library's interface over HTTP, for tests in other processes. */
export class Control {
  readonly #subject: ControlSubject
  readonly #startedMs = performance.now()

  constructor(subject: ControlSubject) {
    this.#subject = subject
  }

  answer(exchange: Exchange): void {
    this.#route(exchange)
      .catch((error: unknown) => {
        if (error instanceof InvalidSetting || error instanceof SyntaxError) {
          return problem(400, error.message)
        }
        return problem(500, error instanceof Error ? error.message : String(error))
      })
      .then((answer) => sendComplete(exchange, answer, []))
      .catch((error: unknown) => process.emitWarning(String(error)))
  }

  async #route(exchange: Exchange): Promise<CompleteAnswer> {
    const { method = '', path = '', query = '' } = exchange.head ?? {}
    const [name = '', index, ...rest] = path.slice(CONTROL_PREFIX.length).split('/')
    const action = rest.length > 0 ? '' : `${method} ${name}${index === undefined ? '' : '/:index'}`
    switch (action) {
      case 'GET health':
        return json({ status: 'ok' })
      case 'GET stats':
        return json(this.#stats())
      case 'GET requests':
        return json(await this.#requests(new URLSearchParams(query)))
      case 'GET requests/:index':
        return this.#request(parseCount(index ?? '', 'index'))
      case 'DELETE requests':
        this.#subject.recorder.clear()
        return json({ requests: [] })
      case 'GET rules':
        return json({ rules: this.#subject.faults.rules })
      case 'POST rules':
      case 'PUT rules':
        this.#subject.faults.setRules(
          parseRules(JSON.parse(exchange.body?.decoded.toString() ?? '')),
        )
        return json({ rules: this.#subject.faults.rules })
      case 'DELETE rules':
        this.#subject.faults.setRules([])
        return json({ rules: [] })
      case 'POST reset':
        this.#subject.clear()
        return json({ status: 'ok' })
      default:
        return problem(
          404,
          `${method} ${path} is unknown. There are: GET health, GET stats, GET requests, GET requests/INDEX, DELETE requests, GET rules, POST rules, DELETE rules, POST reset.`,
        )
    }
  }

  #stats(): object {
    const { census, seed, faults, recorder } = this.#subject
    return {
      requests: census.requests,
      malformed: census.malformed,
      faulted: census.faulted,
      streams: census.streams,
      openStreams: census.openStreams,
      connections: census.connections,
      openConnections: census.openConnections,
      recorded: recorder.requests.length,
      rules: faults.rules.length,
      seed,
      uptimeMs: Math.round(performance.now() - this.#startedMs),
      rssBytes: process.memoryUsage.rss(),
    }
  }

  #request(index: number): CompleteAnswer {
    const request = this.#subject.recorder.requests.find((one) => one.index === index)
    if (request === undefined) return problem(404, `Request ${index} is not recorded (any more).`)
    return json(describeRequest(request))
  }

  /** `after`, `limit`, `path` choose; `wait_ms` waits until there is at least one. */
  async #requests(query: URLSearchParams): Promise<object> {
    const after = query.has('after') ? parseCount(query.get('after') ?? '', 'after') : -1
    const limit = query.has('limit') ? parseCount(query.get('limit') ?? '', 'limit') : DEFAULT_LIMIT
    const path = query.get('path')
    const waitMs = query.has('wait_ms') ? parseCount(query.get('wait_ms') ?? '', 'wait_ms') : 0
    const wanted = (request: RecordedRequest): boolean =>
      request.index > after && (path === null || request.path === path)
    const { recorder } = this.#subject
    if (waitMs > 0 && recorder.enabled) {
      const timeoutMs = Math.min(waitMs, MAX_WAIT_MS)
      // Nothing in time is an answer, too: an empty list.
      await recorder.wait(wanted, { timeoutMs }).catch(() => undefined)
    }
    const found = recorder.requests.filter(wanted).slice(0, limit)
    return { timeOriginMs: performance.timeOrigin, requests: found.map(describeRequest) }
  }
}
