import type { MemorySettings } from '../config/index.ts'

const MIB = 1024 * 1024

/** What a process takes beside heaps, caches and buffered bodies: code, stacks, sockets. */
const BASE_BYTES = 64 * MIB
/** What each further thread takes of the same. */
const THREAD_BYTES = 16 * MIB
/** Below this V8 spends its time collecting. */
const SMALLEST_HEAP_BYTES = 48 * MIB
const SMALLEST_READER_HEAP_BYTES = 128 * MIB

/** Sizes for V8, MiB. */
export interface HeapPlan {
  /** Objects that live longer, per thread. */
  readonly oldMb: number
  /** Half of the space for fresh objects, per thread: larger means fewer collections and more resident memory. */
  readonly semiSpaceMb: number
}

/**
 * Divides what caches and buffers leave of the container among the threads (F52). The request counts when it is given:
 * what goes beyond it is the first to be taken away when the machine runs short, and autoscaling by memory measures
 * against it.
 *
 * @returns `undefined` without a limit and a request: V8 knows best.
 */
export function planHeaps(memory: MemorySettings, workers: number): HeapPlan | undefined {
  const basis = memory.requestBytes ?? memory.limitBytes
  if (basis === undefined) return undefined
  // With several workers the main thread serves none of the requests, but it reads configurations.
  const threads = workers > 1 ? workers + 1 : 1
  const shared = memory.cacheBytes + memory.bufferBytes + BASE_BYTES + THREAD_BYTES * (threads - 1)
  const heap = Math.max(SMALLEST_HEAP_BYTES, (basis - shared) / threads)
  return { oldMb: Math.floor(heap / MIB), semiSpaceMb: semiSpaceOf(basis / threads) }
}

/** V8 takes three of these. */
function semiSpaceOf(bytesPerThread: number): number {
  if (bytesPerThread >= 1024 * MIB) return 16
  return bytesPerThread > 512 * MIB ? 8 : 4
}

/** @returns the heap of the short-lived thread that reads a large configuration, MiB; `undefined` for V8's own. */
export function readerHeapMb({ limitBytes, requestBytes }: MemorySettings): number | undefined {
  const basis = limitBytes ?? requestBytes
  return basis === undefined
    ? undefined
    : Math.floor(Math.max(SMALLEST_READER_HEAP_BYTES, basis / 2) / MIB)
}
