export { createCounterTable, type CounterTable } from './counter-table.ts'
export {
  createMemoryLedger,
  type LedgerUsage,
  type MemoryLedger,
  type MemoryLedgerOptions,
} from './memory-ledger.ts'
