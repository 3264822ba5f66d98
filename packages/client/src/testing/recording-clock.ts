import type { Clock } from '../clock.ts'

export interface RecordingClock extends Clock {
  /** Every pause that was made, in milliseconds, oldest first. */
  readonly pauses: number[]
}

/** A clock whose pauses take no time and are written down. Time limits (from `limitMs` on) never pass. */
export function recordingClock(limitMs = 120_000): RecordingClock {
  const pauses: number[] = []
  let now = Date.parse('2026-01-01T00:00:00Z')
  return {
    pauses,
    now: () => now,
    after(ms, call) {
      if (ms >= limitMs) return () => undefined
      let isCancelled = false
      setImmediate(() => {
        if (isCancelled) return
        pauses.push(ms)
        now += ms
        call()
      })
      return () => {
        isCancelled = true
      }
    },
  }
}
