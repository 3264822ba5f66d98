import { describe, END, holds, type Before } from './position.ts'
import type { Program } from './program.ts'

/**
 * All that the program could be doing after some text: its threads by preference, before anything that needs the next
 * character is decided.
 */
interface State {
  readonly threads: readonly number[]
  readonly before: Before
  /** Steps on characters beyond ASCII, by code point; bounded. */
  readonly wide: Map<number, number>
  matchesAtEnd: boolean | undefined
}

// A step is a number: the state it leads to, and whether a match ended before the character. 0 = not known yet.
const MATCHED = 0x8000
const STATE = 0x7fff
const DEAD = 1
const START = 2

/** Beyond it the states are forgotten and built anew, which is slower but still linear. */
const MAX_STATES = 1_024
const MAX_WIDE = 64
const ASCII_SIZE = 128

/**
 * Runs a program over text in time linear in the text, whatever the pattern is (fault S28): a deterministic automaton
 * whose states are built when text first leads to them. The preferred match is the one a backtracking engine would
 * find first.
 */
export class Automaton {
  readonly #program: Program
  /** ASCII character → class of characters that the program cannot tell apart. */
  readonly #classes: Uint8Array
  readonly #classCount: number
  /** Steps by state and class. */
  #steps: Uint16Array
  readonly #states: (State | undefined)[] = []
  readonly #stateByKey = new Map<string, number>()
  /** The round in which an instruction was last followed, and last joined a new state. */
  readonly #visited: Uint32Array
  readonly #joined: Uint32Array
  #round = 0

  constructor(program: Program) {
    this.#program = program
    const { classes, count } = classify(program)
    this.#classes = classes
    this.#classCount = count
    this.#steps = new Uint16Array(8 * count)
    this.#visited = new Uint32Array(program.instructions.length)
    this.#joined = new Uint32Array(program.instructions.length)
    this.#forget()
  }

  /** End of the preferred match in UTF-16 units, or -1. */
  matchEnd(text: string): number {
    const classes = this.#classes
    const classCount = this.#classCount
    let steps = this.#steps
    let state = START
    let end = -1
    for (let index = 0; index < text.length; index += 1) {
      const unit = text.charCodeAt(index)
      let step = unit < ASCII_SIZE ? (steps[state * classCount + (classes[unit] ?? 0)] ?? 0) : 0
      if (step === 0) {
        step = this.#step(state, text.codePointAt(index) ?? unit)
        steps = this.#steps
      }
      if ((step & MATCHED) !== 0) end = index
      state = step & STATE
      if (state === DEAD) return end
      if (isPair(text, index)) index += 1
    }
    return this.#matchesAtEnd(state) ? text.length : end
  }

  /** Whether some match ends anywhere; stops at the first that does. */
  occursIn(text: string): boolean {
    let state = START
    for (let index = 0; index < text.length; index += 1) {
      const codePoint = text.codePointAt(index) ?? END
      const known =
        codePoint < ASCII_SIZE
          ? this.#steps[state * this.#classCount + this.#classOf(codePoint)]
          : 0
      const step = known === undefined || known === 0 ? this.#step(state, codePoint) : known
      if ((step & MATCHED) !== 0) return true
      state = step & STATE
      if (state === DEAD) return false
      if (codePoint > 0xffff) index += 1
    }
    return this.#matchesAtEnd(state)
  }

  #classOf(codePoint: number): number {
    return this.#classes[codePoint] ?? 0
  }

  #step(from: number, codePoint: number): number {
    const state = this.#states[from]
    if (state === undefined) return DEAD
    const known = state.wide.get(codePoint)
    if (known !== undefined) return known
    const { instructions, hasAssertions } = this.#program
    const threads: number[] = []
    const matched = this.#follow(state, codePoint, (thread) => {
      const instruction = instructions[thread]
      if (instruction === undefined || !instruction.set.has(codePoint)) return
      if (this.#joined[instruction.next] === this.#round) return
      this.#joined[instruction.next] = this.#round
      threads.push(instruction.next)
    })
    const to = this.#intern(threads, hasAssertions ? describe(codePoint) : 'other')
    const step = matched ? to | MATCHED : to
    // Making room may have forgotten the state that this step starts from.
    if (this.#states[from] === state) {
      if (codePoint < ASCII_SIZE)
        this.#steps[from * this.#classCount + this.#classOf(codePoint)] = step
      else if (state.wide.size < MAX_WIDE) state.wide.set(codePoint, step)
    }
    return step
  }

  #matchesAtEnd(index: number): boolean {
    const state = this.#states[index]
    if (state === undefined) return false
    return (state.matchesAtEnd ??= this.#follow(state, END, () => undefined))
  }

  /**
   * Follows everything that consumes nothing, by preference, and hands on the threads that wait for a character.
   *
   * @returns whether the program matches here; then no less preferred thread is followed.
   */
  #follow(state: State, next: number, wait: (thread: number) => void): boolean {
    const instructions = this.#program.instructions
    const visited = this.#visited
    const round = this.#nextRound()
    const pending: number[] = []
    for (const thread of state.threads) {
      pending.push(thread)
      for (let pc = pending.pop(); pc !== undefined; pc = pending.pop()) {
        if (visited[pc] === round) continue
        visited[pc] = round
        const instruction = instructions[pc]
        if (instruction === undefined) continue
        switch (instruction.op) {
          case 'match':
            return true
          case 'consume':
            wait(pc)
            break
          case 'split':
            pending.push(instruction.second, instruction.next)
            break
          case 'save':
            pending.push(instruction.next)
            break
          case 'assert':
            if (holds(instruction.assertion, state.before, next)) pending.push(instruction.next)
            break
        }
      }
    }
    return false
  }

  #nextRound(): number {
    if (this.#round === 0xffff_ffff) {
      this.#visited.fill(0)
      this.#joined.fill(0)
      this.#round = 0
    }
    this.#round += 1
    return this.#round
  }

  #intern(threads: readonly number[], before: Before): number {
    if (threads.length === 0) return DEAD
    const key = `${before}${threads.join()}`
    const known = this.#stateByKey.get(key)
    if (known !== undefined) return known
    if (this.#states.length >= MAX_STATES) this.#forget()
    const index = this.#states.length
    this.#states.push({ threads, before, wide: new Map(), matchesAtEnd: undefined })
    this.#stateByKey.set(key, index)
    if (this.#steps.length < (index + 1) * this.#classCount) {
      const grown = new Uint16Array(2 * this.#steps.length)
      grown.set(this.#steps)
      this.#steps = grown
    }
    return index
  }

  #forget(): void {
    this.#steps.fill(0)
    this.#stateByKey.clear()
    this.#states.length = 0
    // The places of "not known yet" and `DEAD`, from which nothing leads.
    this.#states.push(undefined, undefined)
    this.#intern([this.#program.start], 'nothing')
  }
}

function isPair(text: string, index: number): boolean {
  return (text.charCodeAt(index) & 0xfc00) === 0xd800 && (text.codePointAt(index) ?? 0) > 0xffff
}

function classify(program: Program): { readonly classes: Uint8Array; readonly count: number } {
  const sets = new Set(
    program.instructions.flatMap((instruction) =>
      instruction.op === 'consume' ? [instruction.set] : [],
    ),
  )
  const classes = new Uint8Array(ASCII_SIZE)
  const known = new Map<string, number>()
  for (let codePoint = 0; codePoint < ASCII_SIZE; codePoint += 1) {
    let signature = program.hasAssertions ? describe(codePoint) : ''
    for (const set of sets) signature += set.has(codePoint) ? '1' : '0'
    const index = known.get(signature) ?? known.size
    known.set(signature, index)
    classes[codePoint] = index
  }
  return { classes, count: known.size }
}
