import type { Period } from '@pratu/plugin-kit'

/** Where the window around a moment begins, where the next one does, and where that ends; epoch ms. */
export type ZoneBoundaries = readonly [start: number, next: number, end: number]

/** @param known an earlier answer for the same period and zone. */
export function zoneBoundaries(
  period: Period,
  timeZone: string,
  atMs: number,
  known: ZoneBoundaries | undefined,
): ZoneBoundaries {
  if (known !== undefined && atMs >= known[0] && atMs < known[1]) return known
  throw new RangeError(`${period} in ${timeZone}: Redis counts in UTC only`)
}
