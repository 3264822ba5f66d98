import type { FaultRule } from './faults/rules.ts'
import type { RecordedRequest } from './recording/recorded-request.ts'
import type { WaitOptions } from './recording/recorder.ts'
import { AnsweringMachine } from './answering-machine.ts'
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
   * The first recorded request that `predicate` accepts, already there or still to come; by default one whose body
   * is complete (or will never be).
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
  const machine = new AnsweringMachine(settings)
  const server = new SimulatorServer(settings, machine)
  machine.attach(server)
  const port = await server.listen(settings.host, settings.port)
  const host = settings.host.includes(':') ? `[${settings.host}]` : settings.host
  return {
    url: `${settings.tls === undefined ? 'http' : 'https'}://${host}:${port}`,
    port,
    get requests() {
      return server.recorder.requests
    },
    get openStreams() {
      return machine.openStreams
    },
    get openConnections() {
      return server.openConnections
    },
    setRules: (rules) => machine.setRules(rules),
    clear: () => machine.clear(),
    waitForRequest: (predicate = () => true, wait = {}) => server.recorder.wait(predicate, wait),
    close: () => server.close(),
  }
}
