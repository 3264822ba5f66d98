/** The answer did not come in time. It may still come, and what was asked may still be done. */
export class DeadlineExceeded extends Error {
  override readonly name = 'DeadlineExceeded'
}

const SLICES = 5

/**
 * Waits in slices, each of which counts once however long it took: while this whole process stands still (throttled by
 * its container's CPU limit, or busy), Redis is not late.
 *
 * @param onLate told of an answer that comes after the deadline.
 * @throws {DeadlineExceeded} after `timeoutMs`.
 */
export function withDeadline<T>(
  work: Promise<T>,
  timeoutMs: number,
  onLate?: (answer: T) => void,
): Promise<T> {
  return new Promise((resolve, reject) => {
    let late = false
    let slices = SLICES
    const tick = (): void => {
      slices -= 1
      if (slices > 0) timer = setTimeout(tick, timeoutMs / SLICES)
      // The answer may be here and only not read yet: timers come before sockets in a turn of the event loop,
      // immediates after them.
      else immediate = setImmediate(giveUp)
    }
    const giveUp = (): void => {
      late = true
      reject(new DeadlineExceeded(`no answer within ${timeoutMs} ms`))
    }
    let timer = setTimeout(tick, timeoutMs / SLICES)
    let immediate: NodeJS.Immediate | undefined
    const stop = (): void => {
      clearTimeout(timer)
      clearImmediate(immediate)
    }
    work.then(
      (answer) => {
        stop()
        if (late) onLate?.(answer)
        else resolve(answer)
      },
      (error: unknown) => {
        stop()
        if (!late) reject(error instanceof Error ? error : new Error(String(error)))
      },
    )
  })
}
