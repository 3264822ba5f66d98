import type { RedisSettings } from '@pratu/plugin-kit'
import { Breaker } from './breaker.ts'
import { createClient, type Client } from './client.ts'
import { DeadlineExceeded, withDeadline } from './deadline.ts'
import { Inspector } from './inspector.ts'
import { ping } from './ping.ts'
import type { RedisScript } from './script.ts'
import { describeRedis } from './settings.ts'

/** Between two probes of a server that is away; their rhythm decides how soon it is back. */
const PROBE_MS = 150
/** How long requests of the first moments wait for the first connection before their policy decides. */
const FIRST_CONNECT_MS = 1_000
/** A socket that answers nothing for so long is given up: its peer may be gone without a word. */
const DEAD_SOCKET_MS = 2_000
const FIRST_RETRY_MS = 50
const LAST_RETRY_MS = 1_000

/** Redis cannot be asked, or did not answer in time. Nothing is known to have been done. */
export class RedisUnavailable extends Error {
  override readonly name = 'RedisUnavailable'
}

export interface ConnectionLog {
  info(message: string, detail?: Readonly<Record<string, unknown>>): void
  warn(message: string, detail?: Readonly<Record<string, unknown>>): void
}

export interface ConnectionOptions {
  readonly settings: RedisSettings
  readonly log: ConnectionLog
  /** PEM certificates to trust; `undefined`: the system's. */
  readonly ca?: readonly string[] | undefined
  /** Whether to look for what makes this Redis unfit; one worker of a process does. */
  readonly inspect?: boolean
}

type State = 'connecting' | 'up' | 'down'

/**
 * One connection to Redis with its own circuit breaker. It connects in the background, never makes anyone wait longer
 * than a command's deadline, and tells the log once per change of state (F62–F67).
 */
export class RedisConnection {
  readonly target: string
  readonly settings: RedisSettings
  readonly #client: Client
  readonly #log: ConnectionLog
  readonly #breaker = new Breaker()
  readonly #inspector: Inspector | undefined
  readonly #upListeners: (() => void)[] = []
  #state: State = 'connecting'
  /** Settled when the first attempt to connect has succeeded or failed. */
  readonly #first: { readonly done: Promise<void>; readonly settle: () => void }
  #attempts = 0
  #reason = 'not connected yet'
  #downSinceMs = performance.now()
  #deafSinceMs: number | undefined
  #probing = false
  #probeTimer: NodeJS.Timeout | undefined
  #closed = false

  constructor({ settings, log, ca, inspect = false }: ConnectionOptions) {
    this.settings = settings
    this.target = describeRedis(settings)
    this.#log = log
    this.#first = firstAttempt()
    this.#inspector = inspect
      ? new Inspector({
          settings,
          ca,
          onFinding: ({ message, detail }) => log.warn(message, { redis: this.target, ...detail }),
        })
      : undefined
    this.#client = createClient(settings, { ca, retryDelayMs: () => this.#retryDelayMs() })
    this.#client.on('error', (error: Error) => this.#failed(error.message))
    this.#client.on('node error', (error: Error) => {
      this.#reason = error.message
    })
    this.#client.on('close', () => this.#failed(undefined))
    this.#client.on('ready', () => void this.#probe())
    // Failures are events too; the promise says nothing more.
    this.#client.connect().catch((error: Error) => this.#failed(error.message))
    const giveUp = setTimeout(() => this.#failed('no connection yet'), FIRST_CONNECT_MS)
    giveUp.unref()
    void this.#first.done.then(() => clearTimeout(giveUp))
  }

  get isUp(): boolean {
    return this.#state === 'up'
  }

  /** Whether it has never been up nor failed: waiting for it is short and worth it. */
  get isConnecting(): boolean {
    return this.#state === 'connecting'
  }

  /** Whether keys of one command must be in one slot. */
  get isCluster(): boolean {
    return this.settings.topology === 'cluster'
  }

  /** Called each time Redis comes (back) up, also now if it is. */
  onUp(listener: () => void): void {
    this.#upListeners.push(listener)
    if (this.isUp) listener()
  }

  /**
   * Runs a script: by its name, or with its text where Redis does not know it (any more, F66).
   *
   * @param onLate told of an answer after the deadline: what was asked has been done after all.
   * @throws {RedisUnavailable} within the deadline of the settings, at once while Redis is away.
   */
  async evaluate(
    script: RedisScript,
    keys: readonly string[],
    values: readonly (string | number)[],
    onLate?: (answer: unknown) => void,
  ): Promise<unknown> {
    const { timeoutMs } = this.settings
    if (this.#state === 'connecting') {
      await withDeadline(this.#first.done, timeoutMs).catch(() => undefined)
    }
    if (this.#state !== 'up') throw new RedisUnavailable(`${this.target} is away: ${this.#reason}`)
    try {
      const answer = await withDeadline(this.#send(script, keys, values), timeoutMs, onLate)
      this.#breaker.succeeded()
      return answer
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      // A closed connection has an event of its own.
      if (this.#counts(error) && this.#breaker.failed()) this.#goDown(reason)
      throw new RedisUnavailable(`${this.target}: ${reason}`, { cause: error })
    }
  }

  async #send(
    script: RedisScript,
    keys: readonly string[],
    values: readonly (string | number)[],
  ): Promise<unknown> {
    try {
      return await this.#client.evalsha(script.sha, keys.length, ...keys, ...values)
    } catch (error) {
      if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error
      return this.#client.eval(script.lua, keys.length, ...keys, ...values)
    }
  }

  #counts(error: unknown): boolean {
    return (
      error instanceof DeadlineExceeded || (error instanceof Error && error.name === 'ReplyError')
    )
  }

  /** Not before its turn: half of the delay is by chance, so that replicas do not come all at once. */
  #retryDelayMs(): number | undefined {
    if (this.#closed) return undefined
    const delayMs = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** this.#attempts)
    this.#attempts += 1
    return Math.round(delayMs * (0.5 + Math.random() / 2))
  }

  #failed(reason: string | undefined): void {
    if (this.#closed) return
    if (reason !== undefined) this.#reason = reason
    // A node of a cluster may fail while the others serve: its commands fail, and those are counted.
    if (this.#state === 'up' && this.isCluster && this.#client.status === 'ready') return
    this.#goDown(reason ?? (this.isUp ? 'the connection was closed' : this.#reason))
  }

  #goDown(reason: string): void {
    this.#first.settle()
    if (this.#state === 'down' || this.#closed) return
    const wasUp = this.isUp
    this.#state = 'down'
    this.#reason = reason
    this.#downSinceMs = performance.now()
    this.#deafSinceMs = undefined
    this.#breaker.open(this.#downSinceMs)
    this.#log.warn(wasUp ? 'Redis is away' : 'Redis cannot be reached', {
      redis: this.target,
      reason,
    })
    this.#scheduleProbe()
  }

  #scheduleProbe(): void {
    if (this.#closed || this.#state === 'up') return
    clearTimeout(this.#probeTimer)
    const delayMs = PROBE_MS * (0.8 + Math.random() * 0.4)
    this.#probeTimer = setTimeout(() => void this.#probe(), delayMs)
    this.#probeTimer.unref()
  }

  /** Asks whether Redis can be written to. Requests are never the ones to find out. */
  async #probe(): Promise<void> {
    if (this.#probing || this.#state === 'up' || this.#closed) return
    this.#probing = true
    try {
      if (this.#client.status === 'ready') {
        await withDeadline(ping(this.#client), this.settings.timeoutMs)
        this.#deafSinceMs = undefined
        if (this.#state === 'connecting' || this.#breaker.probeSucceeded(performance.now())) {
          this.#goUp()
        }
      }
    } catch (error) {
      this.#breaker.probeFailed()
      this.#reason = error instanceof Error ? error.message : String(error)
      if (this.#state === 'connecting') this.#goDown(this.#reason)
      if (error instanceof DeadlineExceeded) this.#leaveDeadSocket()
    } finally {
      this.#probing = false
      this.#scheduleProbe()
    }
  }

  #leaveDeadSocket(): void {
    const nowMs = performance.now()
    this.#deafSinceMs ??= nowMs
    if (nowMs - this.#deafSinceMs < DEAD_SOCKET_MS) return
    this.#deafSinceMs = undefined
    this.#client.disconnect(true)
  }

  #goUp(): void {
    const first = this.#state === 'connecting'
    this.#state = 'up'
    this.#attempts = 0
    clearTimeout(this.#probeTimer)
    this.#first.settle()
    if (first) this.#log.info('Redis is connected', { redis: this.target })
    else {
      const awayMs = Math.round(performance.now() - this.#downSinceMs)
      this.#log.info('Redis is back', { redis: this.target, away_ms: awayMs })
    }
    for (const listener of this.#upListeners) listener()
    void this.#inspector?.inspect(this.#client)
  }

  /** For good. Commands under way fail. */
  close(): void {
    this.#closed = true
    clearTimeout(this.#probeTimer)
    this.#first.settle()
    this.#state = 'down'
    this.#reason = 'closed'
    this.#inspector?.close()
    this.#client.disconnect()
  }
}

function firstAttempt(): { done: Promise<void>; settle: () => void } {
  let settle = (): void => undefined
  const done = new Promise<void>((resolve) => {
    settle = resolve
  })
  return { done, settle: () => settle() }
}
