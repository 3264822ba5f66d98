/**
 * Sends requests on schedule, whatever becomes of them, to two doors in turn, and counts each answer from the moment at
 * which its request was due: a stall delays everything that should have been sent meanwhile, and that is how it is
 * counted. A program: reads its task as JSON from the command line, writes one JSON line per block.
 *
 * It asks the clock in a loop that never sleeps, for timers are a millisecond off; so it takes a core of its own.
 */
import { connect, type Socket } from 'node:net'

export interface LoaderTask {
  readonly ratePerSecond: number
  readonly blockSeconds: number
  /** Of each door; the doors take turns. */
  readonly blocks: number
  readonly connections: number
  readonly doors: readonly {
    readonly name: string
    readonly port: number
    readonly request: string
  }[]
}

export interface Block {
  readonly door: string
  /** Milliseconds from the due time to the last byte of each answer. */
  readonly latenciesMs: readonly number[]
  /** Milliseconds from the due time to the write of each request. */
  readonly lagsMs: readonly number[]
  readonly errors: number
}

const HEAD_END = '\r\n\r\n'

type OnAnswer = (lane: Lane, dueMs: number, ok: boolean) => void

/** One keep-alive connection with at most one request under way. */
class Lane {
  readonly #socket: Socket
  readonly #onAnswer: OnAnswer
  #dueMs = 0
  #missing = -1
  #ok = false

  constructor(port: number, onAnswer: OnAnswer, onReady: (lane: Lane) => void) {
    this.#onAnswer = onAnswer
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true })
    this.#socket.on('connect', () => onReady(this))
    this.#socket.on('data', (chunk: Buffer) => this.#take(chunk))
    this.#socket.on('error', (error) => {
      throw error
    })
  }

  send(request: Buffer, dueMs: number): void {
    this.#dueMs = dueMs
    this.#missing = -1
    this.#socket.write(request)
  }

  #take(chunk: Buffer): void {
    if (this.#missing < 0) {
      const text = chunk.toString('latin1')
      const head = text.indexOf(HEAD_END)
      const length = /\r\ncontent-length: (\d+)/i.exec(text)?.[1]
      if (head < 0 || length === undefined) throw new Error(`unexpected answer: ${text}`)
      this.#missing = head + HEAD_END.length + Number(length)
      this.#ok = text.startsWith('HTTP/1.1 200 ')
    }
    this.#missing -= chunk.length
    if (this.#missing <= 0) this.#onAnswer(this, this.#dueMs, this.#ok)
  }

  close(): void {
    this.#socket.destroy()
  }
}

class Door {
  readonly name: string
  readonly #request: Buffer
  readonly #lanes: Lane[] = []
  readonly #idle: Lane[] = []
  #latencies: number[] = []
  #lags: number[] = []
  #errors = 0
  #open = 0

  constructor(name: string, request: string) {
    this.name = name
    this.#request = Buffer.from(request)
  }

  connect(port: number, connections: number): Promise<void> {
    return new Promise((resolve) => {
      const ready = (lane: Lane): void => {
        this.#idle.push(lane)
        if (this.#idle.length === connections) resolve()
      }
      const answered = (lane: Lane, dueMs: number, ok: boolean): void => {
        this.#latencies.push(performance.now() - dueMs)
        if (!ok) this.#errors++
        this.#open--
        this.#idle.push(lane)
      }
      for (let i = 0; i < connections; i++) this.#lanes.push(new Lane(port, answered, ready))
    })
  }

  /** Sends what is due while there are connections for it. The rest stays due. */
  async block(task: LoaderTask): Promise<Block> {
    const periodMs = 1000 / task.ratePerSecond
    const wanted = task.ratePerSecond * task.blockSeconds
    const startMs = performance.now() + 10
    let sent = 0
    while (sent < wanted || this.#open > 0) {
      const nowMs = performance.now()
      while (sent < wanted) {
        const dueMs = startMs + sent * periodMs
        if (dueMs > nowMs) break
        const lane = this.#idle.pop()
        if (lane === undefined) break
        this.#lags.push(performance.now() - dueMs)
        this.#open++
        sent++
        lane.send(this.#request, dueMs)
      }
      await new Promise((resolve) => setImmediate(resolve))
    }
    const block = {
      door: this.name,
      latenciesMs: this.#latencies,
      lagsMs: this.#lags,
      errors: this.#errors,
    }
    this.#latencies = []
    this.#lags = []
    this.#errors = 0
    return block
  }

  close(): void {
    for (const lane of this.#lanes) lane.close()
  }
}

async function run(task: LoaderTask): Promise<void> {
  const doors: Door[] = []
  for (const { name, port, request } of task.doors) {
    const door = new Door(name, request)
    await door.connect(port, task.connections)
    doors.push(door)
  }
  for (let block = 0; block < task.blocks; block++) {
    for (const door of doors) process.stdout.write(`${JSON.stringify(await door.block(task))}\n`)
  }
  for (const door of doors) door.close()
}

if (import.meta.main) await run(JSON.parse(process.argv[2] ?? '{}') as LoaderTask)
