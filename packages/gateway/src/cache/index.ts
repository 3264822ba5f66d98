/** Where answers are kept. Knows bytes, keys and owners; never an Exchange. */
export {
  MemoryCache,
  type CacheLabels,
  type CacheUsage,
  type MemoryCacheOptions,
} from './memory-cache.ts'
export { LiveAnswer, type AnswerReader, type Place } from './live-answer.ts'
export { Answers, type AnswerKey, type Judgement, type Opened, type Question } from './answers.ts'
