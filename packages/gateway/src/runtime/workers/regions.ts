/**
 * Who writes which part of the metrics: region 0 is the main thread's, and each worker has two, because the thread that
 * replaces another starts while that one finishes its last answers.
 */
export function regionsOf(worker: number): readonly [number, number] {
  return [1 + 2 * worker, 2 + 2 * worker]
}

/** How many regions the storage needs. With one worker the main thread serves itself. */
export function regionCount(workers: number): number {
  return workers > 1 ? 1 + 2 * workers : 1
}
