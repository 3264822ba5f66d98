/** What can be listed remembers its own place. */
export interface Listed {
  /** Index in the list; -1 while it is in none. */
  place: number
}

/**
 * The exchanges that have not settled. An array with swapped removal and not a `Set`, which makes garbage that V8 cannot
 * collect cheaply: it outgrows its table every few dozen requests, and an old table that was promoted keeps the next one,
 * with every exchange in it, alive until the next full collection.
 */
export class ActiveExchanges<Exchange extends Listed> {
  readonly #list: Exchange[] = []

  get size(): number {
    return this.#list.length
  }

  add(exchange: Exchange): void {
    exchange.place = this.#list.length
    this.#list.push(exchange)
  }

  /** Harmless when it is not in the list. */
  delete(exchange: Exchange): void {
    const { place } = exchange
    if (place < 0) return
    exchange.place = -1
    const last = this.#list.pop()
    if (last === undefined || last === exchange) return
    last.place = place
    this.#list[place] = last
  }

  /** A copy: exchanges may settle while it is walked. */
  toArray(): Exchange[] {
    return [...this.#list]
  }
}
