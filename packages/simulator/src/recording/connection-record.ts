/** The end of a connection: which side closed first, and whether in order. */
export interface SocketClosing {
  readonly by: 'client' | 'server'
  readonly how: 'fin' | 'reset'
  /** When the first side closed; monotonic milliseconds. */
  readonly atMs: number
}

/** What all requests of one connection share. */
export class ConnectionRecord {
  readonly index: number
  readonly remotePort: number
  /** Requests begun on it. */
  requests = 0
  #first: SocketClosing | undefined
  #closed = false
  #promise: Promise<SocketClosing> | undefined
  #resolve: ((closing: SocketClosing) => void) | undefined

  constructor(index: number, remotePort: number) {
    this.index = index
    this.remotePort = remotePort
  }

  get closing(): SocketClosing | undefined {
    return this.#closed ? this.#first : undefined
  }

  get closed(): Promise<SocketClosing> {
    this.#promise ??= new Promise((resolve) => {
      if (this.#closed && this.#first !== undefined) resolve(this.#first)
      else this.#resolve = resolve
    })
    return this.#promise
  }

  /** Notes which side closes; only the first call counts, except that a reset outdoes the same side's FIN. */
  note(by: 'client' | 'server', how: 'fin' | 'reset'): void {
    if (this.#first === undefined) this.#first = { by, how, atMs: performance.now() }
    else if (this.#first.by === by && how === 'reset') this.#first = { ...this.#first, how }
  }

  /** Both directions are closed. */
  close(): void {
    this.note('server', 'fin')
    this.#closed = true
    if (this.#first !== undefined) this.#resolve?.(this.#first)
  }
}
