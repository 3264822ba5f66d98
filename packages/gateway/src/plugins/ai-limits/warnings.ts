import type { Exchange, PluginLog, Remaining } from '@pratu/plugin-kit'
import type { LimitConfig } from './config.ts'

/** Scopes come from clients: beyond this many the oldest warnings may be told again. */
const MAX_REMEMBERED = 10_000

/** What is only held has no window to warn once in. */
const HELD_MS = 60_000

/** Soft thresholds: tells once per scope, share and window that a limit is nearly used up. */
export class Warnings {
  /** Until when what was told is not told again, epoch ms. */
  readonly #toldUntil = new Map<string, number>()

  /**
   * @param onCrossed told when a share is crossed for the first time in its window.
   * @returns the highest share that is crossed; 0 for none.
   */
  check(
    { name, warnAt }: LimitConfig,
    scope: string,
    { used, limit, resetMs }: Remaining,
    nowMs: number,
    onCrossed: (share: number) => void,
  ): number {
    let highest = 0
    for (const share of warnAt) {
      if (used < share * limit) break
      highest = share
      const key = `${name} ${share} ${scope}`
      if ((this.#toldUntil.get(key) ?? 0) > nowMs) continue
      if (this.#toldUntil.size >= MAX_REMEMBERED) this.#toldUntil.clear()
      this.#toldUntil.set(key, nowMs + (resetMs > 0 ? resetMs : HELD_MS))
      onCrossed(share)
    }
    return highest
  }
}

export function logWarning(
  log: PluginLog,
  { name, quantity }: LimitConfig,
  exchange: Exchange,
  scope: string,
  { used, limit }: Remaining,
  share: number,
): void {
  log.warn('a limit is nearly used up', {
    limit: name,
    quantity,
    share,
    used,
    of: limit,
    consumer: exchange.consumer?.username,
    scope,
  })
}
