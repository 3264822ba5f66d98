import type { MeterDefinition } from '@pratu/plugin-kit'

/** @throws {RangeError} for a limit, a length or a burst that makes no sense. */
export function checkDefinition(definition: MeterDefinition): void {
  checkLimit(definition)
  const { id, window } = definition
  if (window.kind === 'calendar' || window.kind === 'concurrency') return
  if (!Number.isSafeInteger(window.lengthMs) || window.lengthMs < 1) {
    throw new RangeError(`meter ${id}: a length of ${window.lengthMs} ms`)
  }
  if (window.kind !== 'gcra' || (Number.isSafeInteger(window.burst) && window.burst >= 1)) return
  throw new RangeError(`meter ${id}: a burst of ${window.burst}`)
}

/** @throws {RangeError} for a limit that is not a whole number from 1. */
export function checkLimit({ id, limit }: MeterDefinition): void {
  if (Number.isSafeInteger(limit) && limit >= 1) return
  throw new RangeError(`meter ${id}: the limit must be a whole number from 1, not ${limit}`)
}
