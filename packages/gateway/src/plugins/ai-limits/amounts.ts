const NANO_PER_DOLLAR = 1_000_000_000
const DECIMAL_PLACES = 9

/** What `cost` limits are written as: dollars, with as many decimals as a nano-dollar has. */
const DOLLARS = /^(\d{1,7})(?:\.(\d{1,9}))?$/

/**
 * Dollars as written in a file, in whole nano-dollars; exact, since no binary fraction is in between.
 *
 * @returns `undefined` for what is no such amount.
 */
export function parseDollars(written: string | number): number | undefined {
  const match = DOLLARS.exec(String(written).trim())
  if (match === null) return undefined
  const [, whole = '0', decimals = ''] = match
  return Number(whole) * NANO_PER_DOLLAR + Number(decimals.padEnd(DECIMAL_PLACES, '0'))
}

const UNIT_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
}

const DURATION = /^(\d{1,9})(ms|s|m|h|d|w)$/

/** A length of time such as `60s` or `30d`, ms; `undefined` for what is none. */
export function parseDuration(written: string): number | undefined {
  const match = DURATION.exec(written)
  const [, count = '', unit = ''] = match ?? []
  const unitMs = UNIT_MS[unit]
  return unitMs === undefined ? undefined : Number(count) * unitMs
}
