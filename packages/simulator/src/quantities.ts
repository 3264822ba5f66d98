/** A value written by a person that does not mean what it should. */
export class InvalidSetting extends Error {
  override readonly name = 'InvalidSetting'
}

const DURATION = /^(\d+(?:\.\d+)?)(us|ms|s|m)?$/
const MS_PER: Readonly<Record<string, number>> = { us: 0.001, ms: 1, s: 1000, m: 60_000 }
const SIZE = /^(\d+(?:\.\d+)?)(b|kb|mb|gb)?$/i
const BYTES_PER: Readonly<Record<string, number>> = {
  b: 1,
  kb: 1024,
  mb: 1_048_576,
  gb: 1_073_741_824,
}

/**
 * @param text `250`, `250ms`, `2s`, `1m`; without a unit, milliseconds.
 * @param name what is being read, for the message.
 */
export function parseDurationMs(text: string, name: string): number {
  const match = DURATION.exec(text.trim())
  if (match === null)
    throw new InvalidSetting(
      `${name}: ${JSON.stringify(text)} is not a duration (write 250ms, 2s or 1m)`,
    )
  return Number(match[1]) * (MS_PER[match[2] ?? 'ms'] ?? 1)
}

/** @param text `100`, `8kb`, `8mb`, `10gb`; units of 1,024. */
export function parseBytes(text: string, name: string): number {
  const match = SIZE.exec(text.trim())
  if (match === null)
    throw new InvalidSetting(
      `${name}: ${JSON.stringify(text)} is not a size (write 500, 8kb, 8mb or 10gb)`,
    )
  return Math.round(Number(match[1]) * (BYTES_PER[(match[2] ?? 'b').toLowerCase()] ?? 1))
}

export function parseCount(text: string, name: string, min = 0): number {
  if (!/^\d{1,15}$/.test(text.trim()) || Number(text) < min) {
    throw new InvalidSetting(
      `${name}: ${JSON.stringify(text)} is not a whole number of at least ${min}`,
    )
  }
  return Number(text)
}
