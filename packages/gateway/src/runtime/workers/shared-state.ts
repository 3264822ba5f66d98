/** The few integers that the main thread and its workers read without asking each other. */
export class SharedState {
  readonly buffer: SharedArrayBuffer
  readonly #words: Int32Array

  /** @param buffer of another thread's `SharedState`; a new one when absent. */
  constructor(workers: number, buffer?: SharedArrayBuffer) {
    this.buffer = buffer ?? new SharedArrayBuffer((FIXED_WORDS + workers) * 4)
    this.#words = new Int32Array(this.buffer)
  }

  /** The committed generation: workers switch to it at their next request, all at the same moment. */
  get generation(): number {
    return Atomics.load(this.#words, GENERATION)
  }

  set generation(generation: number) {
    Atomics.store(this.#words, GENERATION, generation)
  }

  get draining(): boolean {
    return Atomics.load(this.#words, DRAINING) === 1
  }

  startDraining(): void {
    Atomics.store(this.#words, DRAINING, 1)
  }

  /** A worker's sign of life; a loop that is stuck gives none. */
  beat(worker: number): void {
    Atomics.add(this.#words, FIXED_WORDS + worker, 1)
  }

  beats(worker: number): number {
    return Atomics.load(this.#words, FIXED_WORDS + worker)
  }
}

const GENERATION = 0
const DRAINING = 1
const FIXED_WORDS = 2
