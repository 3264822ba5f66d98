import { TransportError } from './transport.ts'

export interface PoolLimits {
  /** Connections at the same time, in use and idle. */
  readonly maxConnections: number
  /** Of these, how many are kept while they are idle. */
  readonly maxKeepAlive: number
}

/** What the pool needs of a connection. */
export interface Poolable {
  close(): Promise<void>
}

const CLOSED = 'the client is closed'

interface Waiter<Connection> {
  take(connection: Connection): void
  refuse(why: string): void
}

/**
 * A bounded pool, as httpx has it and undici has not: it limits the idle connections apart from all of them. The most
 * recently used one is taken first, so that the rest can expire; who finds none free waits in line.
 */
export class ConnectionPool<Connection extends Poolable> {
  readonly #limits: PoolLimits
  readonly #open: (onIdleLoss: () => void) => Connection
  readonly #idle: Connection[] = []
  readonly #all = new Set<Connection>()
  readonly #waiting = new Set<Waiter<Connection>>()
  #closing = false

  /** @param open makes a connection; it calls `onIdleLoss` whenever its socket ends. */
  constructor(limits: PoolLimits, open: (onIdleLoss: () => void) => Connection) {
    this.#limits = limits
    this.#open = open
  }

  get size(): number {
    return this.#all.size
  }

  get idle(): number {
    return this.#idle.length
  }

  /** @throws {TransportError} when `signal` is aborted before it is this caller's turn. */
  acquire(signal: AbortSignal): Promise<Connection> {
    const free = this.#idle.pop()
    if (free !== undefined) return Promise.resolve(free)
    if (!this.#closing && this.#all.size < this.#limits.maxConnections)
      return Promise.resolve(this.#opened())
    return new Promise((resolve, reject) => {
      const leave = (): void => waiter.refuse('no connection became free')
      const waiter: Waiter<Connection> = {
        take(connection) {
          signal.removeEventListener('abort', leave)
          resolve(connection)
        },
        refuse: (why) => {
          signal.removeEventListener('abort', leave)
          this.#waiting.delete(waiter)
          reject(new TransportError('connection', why))
        },
      }
      if (signal.aborted || this.#closing) {
        waiter.refuse(this.#closing ? CLOSED : 'no connection became free')
        return
      }
      this.#waiting.add(waiter)
      signal.addEventListener('abort', leave, { once: true })
    })
  }

  release(connection: Connection): void {
    if (this.#closing) {
      this.#all.delete(connection)
      return
    }
    const [next] = this.#waiting
    if (next !== undefined) {
      this.#waiting.delete(next)
      next.take(connection)
      return
    }
    if (this.#idle.length >= this.#limits.maxKeepAlive) {
      this.#all.delete(connection)
      void connection.close()
      return
    }
    this.#idle.push(connection)
  }

  /** Closes every connection once its request is done; who still waits for one gets none. */
  async close(): Promise<void> {
    this.#closing = true
    for (const waiter of this.#waiting) waiter.refuse(CLOSED)
    this.#idle.length = 0
    await Promise.all([...this.#all].map((connection) => connection.close()))
    this.#all.clear()
  }

  #opened(): Connection {
    const connection = this.#open(() => {
      const index = this.#idle.indexOf(connection)
      if (index === -1) return
      this.#idle.splice(index, 1)
      this.#all.delete(connection)
      void connection.close()
    })
    this.#all.add(connection)
    return connection
  }
}
