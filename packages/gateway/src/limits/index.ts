export { calendarWindow, PERIODS, PERIOD_SECONDS, type CalendarWindow } from './calendar-window.ts'
export { createCounterTable, releaseThread, type CounterTable } from './counter-table.ts'
export { zoneBoundaries, type ZoneBoundaries } from './zone-boundaries.ts'
export { createLimitLedger, type LimitLedger, type LimitLedgerOptions } from './limit-ledger.ts'
export {
  createMemoryLedger,
  type LedgerUsage,
  type MemoryLedger,
  type MemoryLedgerOptions,
} from './memory-ledger.ts'
export type { BornStore } from './store-birth.ts'
