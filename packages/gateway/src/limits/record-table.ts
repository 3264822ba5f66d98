/** Ints before a record's doubles: key low, key high, next in its chain + 1, life. */
const HEADER_INTS = 4
const LOW = 0
const HIGH = 1
const NEXT = 2
const LIFE = 3

/** Control words of a table. */
export const CONTROL_INTS = 8
const MADE = 0
const FREE = 1
const LIVE = 2
const HAND = 3

/** Heads of chains that lie in one cache line: the meters of one scope share it. */
const LINE_HEADS = 16
/** Records looked at for each that is added, and when there is no room. */
const SWEPT_PER_INSERT = 2
const SWEPT_WHEN_FULL = 256

export const NONE = -1

export interface TableShape {
  /** Records that scopes may have, how many more scopes may share, and how many there are when those are taken too. */
  readonly slots: number
  readonly shared: number
  readonly lastResort: number
  /** Doubles of state per record; the first is the time until which it is kept, epoch ms. */
  readonly doubles: number
}

/** For whom a record is. */
export type RecordUse = 'own' | 'shared' | 'last resort'

export function tableInts(shape: TableShape): number {
  const records = shape.slots + shape.shared + shape.lastResort
  return CONTROL_INTS + 8 + headCount(records) + records * recordInts(shape.doubles)
}

function recordInts(doubles: number): number {
  return HEADER_INTS + 2 * doubles
}

function headCount(records: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(LINE_HEADS, records)))
}

/**
 * A hash table of records of one size in shared memory. Every method needs the table's lock.
 *
 * Each change is made valid by one store: a record is filled before a chain leads to it, and left alone before it is
 * free. A thread that dies in between loses one record at most. A record whose time is over may be taken by another key;
 * its *life* grows with that.
 */
export class RecordTable {
  readonly #ints: Int32Array
  readonly #doubles: Float64Array
  readonly #control: number
  readonly #heads: number
  readonly #records: number
  readonly #stride: number
  readonly #lineMask: number
  readonly #capacities: Readonly<Record<RecordUse, number>>
  readonly #stateDoubles: number
  /** Whether the state that starts here still is needed although its time is over. */
  readonly #inUse: (state: number) => boolean

  /** @param at first int of the table; even. */
  constructor(
    buffer: SharedArrayBuffer,
    at: number,
    shape: TableShape,
    inUse: (state: number) => boolean = () => false,
  ) {
    const { slots, shared, lastResort } = shape
    const records = slots + shared + lastResort
    this.#ints = new Int32Array(buffer)
    this.#doubles = new Float64Array(buffer)
    this.#control = at
    this.#heads = at + CONTROL_INTS + (8 - (at % 8))
    this.#records = this.#heads + headCount(records)
    this.#stride = recordInts(shape.doubles)
    this.#lineMask = headCount(records) / LINE_HEADS - 1
    this.#capacities = { own: slots, shared: slots + shared, 'last resort': records }
    this.#stateDoubles = shape.doubles
    this.#inUse = inUse
  }

  get live(): number {
    return this.#ints[this.#control + LIVE] ?? 0
  }

  /** Grows with every new owner of the record whose state is here. */
  life(state: number): number {
    return this.#ints[2 * state - HEADER_INTS + LIFE] ?? 0
  }

  /** Nobody who knew the record before knows it any more. */
  renew(state: number): void {
    const record = 2 * state - HEADER_INTS
    this.#ints[record + LIFE] = ((this.#ints[record + LIFE] ?? 0) + 1) | 0
  }

  /** @returns where the state of the key's record is among the doubles, or `NONE`. */
  find(low: number, high: number): number {
    const ints = this.#ints
    let next = ints[this.#head(low)] ?? 0
    while (next !== 0) {
      const record = this.#records + (next - 1) * this.#stride
      if (ints[record + LOW] === low && ints[record + HIGH] === high) {
        return (record + HEADER_INTS) >> 1
      }
      next = ints[record + NEXT] ?? 0
    }
    return NONE
  }

  /**
   * Adds a record whose state is all 0.
   *
   * @returns its state, or `NONE` when there is no room for it.
   */
  insert(low: number, high: number, nowMs: number, use: RecordUse): number {
    const capacity = this.#capacities[use]
    this.#sweep(this.live < capacity ? SWEPT_PER_INSERT : SWEPT_WHEN_FULL, nowMs)
    if (this.live >= capacity) return NONE
    const number = this.#take()
    if (number < 0) return NONE
    const ints = this.#ints
    const record = this.#records + number * this.#stride
    const head = this.#head(low)
    const state = (record + HEADER_INTS) >> 1
    for (let i = 0; i < this.#stateDoubles; i++) this.#doubles[state + i] = 0
    ints[record + LOW] = low
    ints[record + HIGH] = high
    ints[record + NEXT] = ints[head] ?? 0
    ints[record + LIFE] = ((ints[record + LIFE] ?? 0) + 1) | 0
    ints[this.#control + LIVE] = this.live + 1
    ints[head] = number + 1
    return state
  }

  /** Zeroes one double of every record there ever was; without the lock, by the only one who writes it. */
  clear(double: number): void {
    const made = this.#ints[this.#control + MADE] ?? 0
    for (let number = 0; number < made; number++) {
      const state = (this.#records + number * this.#stride + HEADER_INTS) >> 1
      this.#doubles[state + double] = 0
    }
  }

  #head(low: number): number {
    return this.#heads + (low & this.#lineMask) * LINE_HEADS + (low >>> 28)
  }

  #take(): number {
    const ints = this.#ints
    const free = ints[this.#control + FREE] ?? 0
    if (free !== 0) {
      ints[this.#control + FREE] = ints[this.#records + (free - 1) * this.#stride + NEXT] ?? 0
      return free - 1
    }
    const made = ints[this.#control + MADE] ?? 0
    if (made >= this.#capacities['last resort']) return NONE
    ints[this.#control + MADE] = made + 1
    return made
  }

  /** Frees what nobody counts with any more, a few records at a time, around and around. */
  #sweep(count: number, nowMs: number): void {
    const made = this.#ints[this.#control + MADE] ?? 0
    let hand = this.#ints[this.#control + HAND] ?? 0
    for (let looked = 0; looked < count && looked < made; looked++) {
      if (hand >= made) hand = 0
      const state = (this.#records + hand * this.#stride + HEADER_INTS) >> 1
      if ((this.#doubles[state] ?? 0) <= nowMs && !this.#inUse(state)) this.#free(hand)
      hand++
    }
    this.#ints[this.#control + HAND] = hand
  }

  #free(number: number): void {
    const ints = this.#ints
    const record = this.#records + number * this.#stride
    let link = this.#head(ints[record + LOW] ?? 0)
    for (;;) {
      const next = ints[link] ?? 0
      // In no chain: a thread died before it was added or after it was taken out.
      if (next === 0) break
      if (next === number + 1) {
        ints[link] = ints[record + NEXT] ?? 0
        ints[this.#control + LIVE] = this.live - 1
        break
      }
      link = this.#records + (next - 1) * this.#stride + NEXT
    }
    this.#doubles[(record + HEADER_INTS) >> 1] = Number.POSITIVE_INFINITY
    ints[record + NEXT] = ints[this.#control + FREE] ?? 0
    ints[this.#control + FREE] = number + 1
  }
}
