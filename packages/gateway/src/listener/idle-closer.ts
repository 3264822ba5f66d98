export interface Closable {
  /** Closes, unless there is a reason again to stay open. */
  closeIfOverdue(): void
}

/**
 * Closes idle connections one in each turn of the event loop. A turn begins with reading what has arrived, so nothing can
 * have arrived unseen but in the microseconds since then: a client that was in time gets its answer (F11). Closing
 * hundreds in one turn would keep the last of them unread for milliseconds.
 */
export class IdleCloser {
  readonly #waiting = new Set<Closable>()
  #armed = false

  add(connection: Closable): void {
    this.#waiting.add(connection)
    this.#arm()
  }

  #arm(): void {
    if (this.#armed) return
    this.#armed = true
    setImmediate(this.#closeOne)
  }

  readonly #closeOne = (): void => {
    this.#armed = false
    for (const connection of this.#waiting) {
      this.#waiting.delete(connection)
      connection.closeIfOverdue()
      break
    }
    if (this.#waiting.size > 0) this.#arm()
  }
}
