/**
 * What the hot path holds: a series that was looked up once. Adding to it is a read and a write of one cell of shared
 * memory that only this thread writes, some nanoseconds.
 */
export class Counter {
  readonly #cells: Float64Array
  readonly #cell: number
  readonly #dropped: Counter | undefined

  /** @param dropped counts every value that was recorded here because its own series had no room. */
  constructor(cells: Float64Array, cell: number, dropped?: Counter) {
    this.#cells = cells
    this.#cell = cell
    this.#dropped = dropped
  }

  /** @param amount finite and not negative; callers that cannot know go through `createPluginMetrics`. */
  add(amount = 1): void {
    this.#cells[this.#cell] = (this.#cells[this.#cell] ?? 0) + amount
    if (this.#dropped !== undefined) this.#dropped.add(1)
  }

  /** For a total that is counted elsewhere, such as CPU time. */
  store(total: number): void {
    this.#cells[this.#cell] = total
  }

  /** This thread's share. */
  get value(): number {
    return this.#cells[this.#cell] ?? 0
  }
}

export class Gauge {
  readonly #cells: Float64Array
  readonly #cell: number
  readonly #dropped: Counter | undefined

  constructor(cells: Float64Array, cell: number, dropped?: Counter) {
    this.#cells = cells
    this.#cell = cell
    this.#dropped = dropped
  }

  /** `NaN` takes the series out of the scrape. */
  set(value: number): void {
    this.#cells[this.#cell] = value
    if (this.#dropped !== undefined) this.#dropped.add(1)
  }

  store(value: number): void {
    this.#cells[this.#cell] = value
  }

  add(amount: number): void {
    this.set(this.value + amount)
  }

  /** This thread's share. */
  get value(): number {
    return this.#cells[this.#cell] ?? 0
  }
}

export class Histogram {
  readonly #cells: Float64Array
  readonly #cell: number
  readonly #bounds: readonly number[]
  readonly #dropped: Counter | undefined

  /** Cells: one per bound (not cumulated), `+Inf`, the sum. */
  constructor(cells: Float64Array, cell: number, bounds: readonly number[], dropped?: Counter) {
    this.#cells = cells
    this.#cell = cell
    this.#bounds = bounds
    this.#dropped = dropped
  }

  /** @param value in the unit of the metric's name, finite. */
  observe(value: number): void {
    const bounds = this.#bounds
    let bucket = 0
    while (bucket < bounds.length && value > (bounds[bucket] ?? 0)) bucket += 1
    const cells = this.#cells
    const at = this.#cell + bucket
    const sum = this.#cell + bounds.length + 1
    cells[at] = (cells[at] ?? 0) + 1
    cells[sum] = (cells[sum] ?? 0) + value
    if (this.#dropped !== undefined) this.#dropped.add(1)
  }
}
