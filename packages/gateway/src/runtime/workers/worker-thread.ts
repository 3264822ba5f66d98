import { MessageChannel, Worker, type ResourceLimits } from 'node:worker_threads'
import { receiveLogs, type LogSink } from '../../observe/index.ts'
import {
  fromSentError,
  type Answers,
  type Command,
  type Order,
  type Report,
  type WorkerStart,
} from './messages.ts'
import { Pulse } from './shared-state.ts'

/** A command will not be answered: its worker has ended. */
export class WorkerEnded extends Error {
  override readonly name = 'WorkerEnded'
  /** Whether it needed more memory than it may take. */
  readonly outOfMemory: boolean

  constructor(worker: number, cause: Error | undefined) {
    super(`worker ${worker} ended${cause === undefined ? '' : `: ${cause.message}`}`, { cause })
    this.outOfMemory =
      cause !== undefined && 'code' in cause && cause.code === 'ERR_WORKER_OUT_OF_MEMORY'
  }
}

export interface WorkerThreadDeps {
  readonly start: Omit<WorkerStart, 'pulse' | 'logs'>
  readonly resourceLimits: ResourceLimits
  /** Where log lines go, by destination. */
  readonly sinks: ReadonlyMap<string, LogSink>
  /** The worker has met a defect, and serves only what it has. */
  onFailing(thread: WorkerThread, reason: string): void
  /** Called once, after every unanswered command was told. */
  onEnded(thread: WorkerThread, reason: WorkerEnded): void
}

interface Waiting {
  readonly resolve: (value: unknown) => void
  readonly reject: (error: Error) => void
  readonly timer: NodeJS.Timeout
}

/** The main thread's end of one worker: commands out, answers and signs of life in. */
export class WorkerThread {
  readonly worker: number
  readonly region: number
  readonly startedAt = performance.now()
  readonly #pulse = new Pulse()
  readonly #thread: Worker
  readonly #waiting = new Map<number, Waiting>()
  readonly #deps: WorkerThreadDeps
  #error: Error | undefined
  #lastId = 0
  #ended = false

  constructor(deps: WorkerThreadDeps) {
    const { worker, region } = deps.start
    this.#deps = deps
    this.worker = worker
    this.region = region
    const { port1, port2 } = new MessageChannel()
    const start: WorkerStart = { ...deps.start, pulse: this.#pulse.buffer, logs: port2 }
    receiveLogs(port1, deps.sinks)
    // The compiler does not rewrite this path: in the package the entry ends in .js.
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
    this.#thread = new Worker(new URL(`./worker.${extension}`, import.meta.url), {
      name: `pratu-worker-${worker}`,
      workerData: start,
      transferList: [port2],
      resourceLimits: deps.resourceLimits,
    })
    // Only `worker-serving.ts` of this same program posts there.
    this.#thread.on('message', (message: Report) => this.#receive(message))
    this.#thread.on('error', (error) => {
      this.#error = error instanceof Error ? error : new Error(String(error))
    })
    this.#thread.on('exit', () => this.#exited())
  }

  get ended(): boolean {
    return this.#ended
  }

  get beats(): number {
    return this.#pulse.beats
  }

  /** Whether a store of limits that it uses is away. */
  get storeAway(): boolean {
    return this.#pulse.storeAway
  }

  /** The generation that it serves; 0 before the first. */
  get generation(): number {
    return this.#pulse.generation
  }

  /**
   * @throws {WorkerEnded} when the worker ends before it has answered.
   * @throws {Error} what the worker refused with, or that it took longer than `timeoutMs`.
   */
  ask<C extends Command>(command: C, timeoutMs: number): Promise<Answers[C['kind']]> {
    return new Promise((resolve, reject) => {
      if (this.#ended) {
        reject(new WorkerEnded(this.worker, this.#error))
        return
      }
      const id = ++this.#lastId
      const timer = setTimeout(() => {
        this.#waiting.delete(id)
        reject(new Error(`worker ${this.worker} did not answer '${command.kind}' in time`))
      }, timeoutMs)
      timer.unref()
      this.#waiting.set(id, {
        // The worker answers with what belongs to the kind of the command.
        resolve: (value) => resolve(value as Answers[C['kind']]),
        reject,
        timer,
      })
      const order: Order = { id, command }
      this.#thread.postMessage(order)
    })
  }

  /** Ends the thread whatever it is doing. Resolves when it has gone. */
  async end(): Promise<void> {
    await this.#thread.terminate()
  }

  #receive(report: Report): void {
    if (report.kind === 'failing') {
      this.#deps.onFailing(this, report.reason)
      return
    }
    const waiting = this.#waiting.get(report.id)
    if (waiting === undefined) return
    this.#waiting.delete(report.id)
    clearTimeout(waiting.timer)
    if (report.kind === 'done') waiting.resolve(report.value)
    else waiting.reject(fromSentError(report.error))
  }

  #exited(): void {
    this.#ended = true
    const reason = new WorkerEnded(this.worker, this.#error)
    for (const { reject, timer } of this.#waiting.values()) {
      clearTimeout(timer)
      reject(reason)
    }
    this.#waiting.clear()
    this.#deps.onEnded(this, reason)
  }
}
