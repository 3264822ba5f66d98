export { estimateUsage } from './estimate.ts'
export {
  completionTokens,
  fromInclusive,
  member,
  NO_USAGE,
  promptTokens,
  readCount,
  readServiceTier,
  withWritten,
  type Usage,
  type UsageReading,
  type UsageSource,
} from './usage.ts'
