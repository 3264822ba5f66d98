export { meter } from './meter.ts'
export type { MeteredUsage, MeterOptions } from './metered-sink.ts'
