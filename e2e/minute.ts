import { setTimeout as sleep } from 'node:timers/promises'

/** Kong's limits are those of the clock's minute: waits for the next one when too little of this one is left. */
export async function aMinuteWithRoomFor(ms: number): Promise<void> {
  const left = 60_000 - (Date.now() % 60_000)
  if (left < ms) await sleep(left + 50)
}
