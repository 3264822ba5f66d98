/** Where answers are kept. Knows bytes, keys and owners; never an Exchange. */
export { MemoryCache, type CacheUsage, type MemoryCacheOptions } from './memory-cache.ts'
