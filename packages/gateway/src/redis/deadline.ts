/** The answer did not come in time. It may still come, and what was asked may still be done. */
export class DeadlineExceeded extends Error {
  override readonly name = 'DeadlineExceeded'
}

/**
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
    const timer = setTimeout(() => {
      late = true
      reject(new DeadlineExceeded(`no answer within ${timeoutMs} ms`))
    }, timeoutMs)
    work.then(
      (answer) => {
        clearTimeout(timer)
        if (late) onLate?.(answer)
        else resolve(answer)
      },
      (error: unknown) => {
        clearTimeout(timer)
        if (!late) reject(error instanceof Error ? error : new Error(String(error)))
      },
    )
  })
}
