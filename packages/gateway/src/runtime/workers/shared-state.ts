/** The few integers that the main thread and all workers read without asking each other. */
export class SharedState {
  readonly buffer: SharedArrayBuffer
  readonly #words: Int32Array

  /** @param buffer of another thread's `SharedState`; a new one when absent. */
  constructor(buffer = new SharedArrayBuffer(12)) {
    this.buffer = buffer
    this.#words = new Int32Array(buffer)
  }

  /** The committed generation: workers switch to it at their next request, all at the same moment. */
  get generation(): number {
    return Atomics.load(this.#words, 0)
  }

  set generation(generation: number) {
    Atomics.store(this.#words, 0, generation)
  }

  get draining(): boolean {
    return Atomics.load(this.#words, 1) === 1
  }

  startDraining(): void {
    Atomics.store(this.#words, 1, 1)
  }

  get withdrawn(): boolean {
    return Atomics.load(this.#words, 2) === 1
  }

  withdraw(): void {
    Atomics.store(this.#words, 2, 1)
  }
}

/** What one worker tells about itself without being asked. */
export class Pulse {
  readonly buffer: SharedArrayBuffer
  readonly #words: Int32Array

  /** @param buffer of the other side's `Pulse`; a new one when absent. */
  constructor(buffer = new SharedArrayBuffer(12)) {
    this.buffer = buffer
    this.#words = new Int32Array(buffer)
  }

  /** A sign of life; an event loop that is stuck gives none. */
  beat(): void {
    Atomics.add(this.#words, 0, 1)
  }

  /** How many signs of life there were; 0 while the thread is still starting. */
  get beats(): number {
    return Atomics.load(this.#words, 0)
  }

  /** Whether a store of limits that the worker uses is away, as of its last beat. */
  get storeAway(): boolean {
    return Atomics.load(this.#words, 2) === 1
  }

  set storeAway(away: boolean) {
    Atomics.store(this.#words, 2, away ? 1 : 0)
  }

  /** The generation that the worker serves; 0 before the first. */
  get generation(): number {
    return Atomics.load(this.#words, 1)
  }

  set generation(generation: number) {
    Atomics.store(this.#words, 1, generation)
  }
}
