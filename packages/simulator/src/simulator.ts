import { AnsweringMachine } from './answering/answering-machine.ts'
import { FaultChoice } from './answering/fault-choice.ts'
import { Control, CONTROL_PREFIX } from './control/control.ts'
import type { FaultRule } from './faults/rules.ts'
import { Census } from './recording/census.ts'
import type { RecordedRequest } from './recording/recorded-request.ts'
import { Recorder } from './recording/recorder.ts'
import type { WaitOptions } from './recording/recorder.ts'
import { SimulatorServer } from './server.ts'
import { resolveSettings } from './settings.ts'
import type { SimulatorOptions } from './settings.ts'

/** A running simulator. */
export interface Simulator {
  /** Without a path or a trailing slash: `http://127.0.0.1:9001`. */
  readonly url: string
  readonly port: number
  /** What arrived, oldest first, as soon as a head is complete. Live: it grows. */
  readonly requests: readonly RecordedRequest[]
  /** Streamed answers under way, hanging ones included. */
  readonly openStreams: number
  readonly openConnections: number
  /** Replaces the rules; their counts start again. @throws {InvalidSetting} when a rule makes no sense. */
  setRules(rules: readonly FaultRule[]): void
  /** Back to the start: records forgotten, rules as given at the start, ordinals (and so latencies and ids) from 0. */
  clear(): void
  /**
   * The first recorded request that `predicate` accepts, already there or still to come; by default any, but only
   * once its body is complete (or will never be).
   *
   * @throws {Error} after `timeoutMs` (10 s), telling what arrived instead.
   */
  waitForRequest(
    predicate?: (request: RecordedRequest) => boolean,
    options?: WaitOptions,
  ): Promise<RecordedRequest>
  /** Stops listening, cuts every connection, resolves when all are gone. */
  close(): Promise<void>
}

/**
 * Starts a simulated LLM provider.
 *
 * @throws {InvalidSetting} when an option makes no sense.
 * @throws {Error} (`EADDRINUSE`, …) when the address cannot be listened on.
 */
export async function startSimulator(options: SimulatorOptions = {}): Promise<Simulator> {
  const settings = resolveSettings(options)
  const recorder = new Recorder(settings.recorder)
  const census = new Census()
  const faults = new FaultChoice(settings.rules, settings.seed)
  const machine = new AnsweringMachine(settings, faults, census)
  const clear = (): void => {
    recorder.clear()
    census.restart()
    faults.restart()
  }
  const control = new Control({ seed: settings.seed, recorder, census, faults, clear })
  const isControl = (path: string): boolean => settings.control && path.startsWith(CONTROL_PREFIX)
  const server = new SimulatorServer(settings, recorder, census, {
    isRecorded: (path) => !isControl(path),
    begin: (exchange) => !isControl(exchange.head?.path ?? '') && machine.begin(exchange),
    answer: (exchange) => {
      if (isControl(exchange.head?.path ?? '')) control.answer(exchange)
      else machine.answer(exchange)
    },
    refuse: (exchange, status, reason) => machine.refuse(exchange, status, reason),
  })
  const port = await server.listen(settings.host, settings.port)
  const host = settings.host.includes(':') ? `[${settings.host}]` : settings.host
  return {
    url: `${settings.tls === undefined ? 'http' : 'https'}://${host}:${port}`,
    port,
    requests: recorder.requests,
    get openStreams() {
      return census.openStreams
    },
    get openConnections() {
      return census.openConnections
    },
    setRules: (rules) => faults.setRules(rules),
    clear,
    waitForRequest: (predicate = () => true, wait = {}) => recorder.wait(predicate, wait),
    close: () => server.close(),
  }
}
