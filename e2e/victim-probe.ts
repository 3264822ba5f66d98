/** An innocent client that goes on working while something is done to the gateway. */
import { setInterval } from 'node:timers/promises'

export interface VictimReport {
  readonly requests: number
  /** What went wrong: a status other than 200, or an error. */
  readonly failures: readonly string[]
  readonly medianMs: number
  readonly p99Ms: number
}

export interface VictimProbe {
  /** Ends it and waits for its last answer. */
  stop(): Promise<VictimReport>
}

const EVERY_MS = 50

/** Calls `ask` 20 times a second, whether or not earlier answers are there. */
export function startVictim(ask: () => Promise<Response>): VictimProbe {
  const stopping = new AbortController()
  const failures: string[] = []
  const latenciesMs: number[] = []
  const running = new Set<Promise<void>>()

  const once = async (): Promise<void> => {
    const startedAt = performance.now()
    try {
      const answer = await ask()
      await answer.arrayBuffer()
      latenciesMs.push(performance.now() - startedAt)
      if (answer.status !== 200) failures.push(`status ${answer.status}`)
    } catch (error) {
      failures.push(String(error))
    }
  }
  const loop = async (): Promise<void> => {
    try {
      for await (const _ of setInterval(EVERY_MS, undefined, { signal: stopping.signal })) {
        const one = once().finally(() => running.delete(one))
        running.add(one)
      }
    } catch (error) {
      if (!stopping.signal.aborted) throw error
    }
  }
  const looping = loop()
  return {
    async stop() {
      stopping.abort()
      await looping
      await Promise.all(running)
      const sorted = latenciesMs.toSorted((a, b) => a - b)
      const quantile = (share: number): number =>
        sorted[Math.floor(sorted.length * share)] ?? Infinity
      return {
        requests: latenciesMs.length + failures.length,
        failures,
        medianMs: quantile(0.5),
        p99Ms: quantile(0.99),
      }
    },
  }
}
