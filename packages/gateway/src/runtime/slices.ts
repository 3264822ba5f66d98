import { setImmediate } from 'node:timers/promises'

/** Work in many short steps: it yields wherever other work may go first. */
export type Steps<T> = Generator<void, T, void>

/** How long a serving thread may go on with such work before requests get their turn, ms. */
const SLICE_MS = 5

/** Does the work between the turns of the event loop, so that whoever is served meanwhile hardly notices. */
export async function inSlices<T>(steps: Steps<T>, sliceMs = SLICE_MS): Promise<T> {
  for (;;) {
    const sliceEndsAt = performance.now() + sliceMs
    do {
      const step = steps.next()
      if (step.done === true) return step.value
    } while (performance.now() < sliceEndsAt)
    await setImmediate()
  }
}
