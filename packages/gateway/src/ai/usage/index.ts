export { estimateUsage } from './estimate.ts'
export {
  completionTokens,
  fromInclusive,
  member,
  NO_USAGE,
  promptTokens,
  readCount,
  readServiceTier,
  type Usage,
  type UsageReading,
  type UsageSource,
} from './usage.ts'
