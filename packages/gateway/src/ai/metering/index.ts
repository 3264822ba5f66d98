export { meter } from './meter.ts'
export { METERED, type MeteredUsage, type MeterOptions } from './metered-sink.ts'
export { createCallReader } from './model-call.ts'
