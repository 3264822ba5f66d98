import type { Clock } from '@pratu/plugin-kit'

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
}
