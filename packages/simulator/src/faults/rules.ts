import { InvalidSetting, parseCount } from '../quantities.ts'
import { drawUnit } from '../text/random.ts'
import { headerValue } from '../wire/request-head.ts'
import type { HeaderPair } from '../wire/request-head.ts'
import type { Fault } from './fault.ts'
import { parseFault } from './parse-fault.ts'

/** Which of the requests that match otherwise: the third (`3`), some (`2-4`), or each fifth (`every:5`). From 1. */
export type Nth = number | string

/** All that is given must hold. */
export interface FaultMatch {
  readonly method?: string | undefined
  /** The path without its query; `*` stands for any characters. */
  readonly path?: string | undefined
  /** The model of the body; `*` stands for any characters. */
  readonly model?: string | undefined
  /** Fields that must be there: name to value, `*` for any characters. */
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly nth?: Nth | undefined
  /** The share of matching requests that are hit, 0 to 1; the same ones for the same seed. */
  readonly probability?: number | undefined
}

/** A fault for the requests that match; the first matching rule wins. */
export interface FaultRule {
  readonly match?: FaultMatch | undefined
  /** The fault, also in its compact form. */
  readonly fault: Fault | string
}

export interface RuleSubject {
  readonly method: string
  readonly path: string
  readonly model: string | undefined
  readonly headers: readonly HeaderPair[]
}

/** A fault and how it was written. */
export interface ChosenFault {
  readonly fault: Fault
  readonly text: string
}

/** Whether the fault is applied at the head of a request, before its body is there. */
export function isEarly(fault: Fault): boolean {
  return fault.early === true || fault.noReadMs !== undefined
}

type Test = (subject: RuleSubject) => boolean

function wildcard(pattern: string): (value: string) => boolean {
  if (!pattern.includes('*')) return (value) => value === pattern
  const source = pattern
    .split('*')
    .map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'))
    .join('[\\s\\S]*')
  const expression = new RegExp(`^${source}$`)
  return (value) => expression.test(value)
}

function turn(nth: Nth): (count: number) => boolean {
  if (typeof nth === 'number') return (count) => count === nth
  const every = /^every:(\d+)$/.exec(nth)
  if (every !== null) {
    const step = parseCount(every[1] ?? '', 'nth', 1)
    return (count) => count % step === 0
  }
  const range = /^(\d+)(?:-(\d*))?$/.exec(nth)
  if (range === null)
    throw new InvalidSetting(`nth: ${JSON.stringify(nth)} should be 3, 2-4, 5- or every:5`)
  const from = Number(range[1])
  const to = range[2] === undefined ? from : range[2] === '' ? Infinity : Number(range[2])
  return (count) => count >= from && count <= to
}

function compileTests(match: FaultMatch): Test[] {
  const tests: Test[] = []
  const { method, path, model, headers } = match
  if (method !== undefined) tests.push((subject) => subject.method === method.toUpperCase())
  if (path !== undefined) {
    const fits = wildcard(path)
    tests.push((subject) => fits(subject.path))
  }
  if (model !== undefined) {
    const fits = wildcard(model)
    tests.push((subject) => subject.model !== undefined && fits(subject.model))
  }
  for (const [name, value] of Object.entries(headers ?? {})) {
    const fits = wildcard(value)
    const lower = name.toLowerCase()
    tests.push((subject) => {
      const given = headerValue(subject.headers, lower)
      return given !== undefined && fits(given)
    })
  }
  return tests
}

/** A rule ready to be asked; counts what it has seen. */
class CompiledRule {
  readonly chosen: ChosenFault
  readonly #tests: readonly Test[]
  readonly #turn: ((count: number) => boolean) | undefined
  readonly #probability: number | undefined
  readonly #seed: number
  #count = 0

  constructor(rule: FaultRule, seed: number) {
    const { fault, match = {} } = rule
    this.chosen =
      typeof fault === 'string'
        ? { fault: parseFault(fault), text: fault }
        : { fault, text: JSON.stringify(fault) }
    this.#tests = compileTests(match)
    this.#turn = match.nth === undefined ? undefined : turn(match.nth)
    this.#probability = match.probability
    this.#seed = seed
    if (match.probability !== undefined && !(match.probability >= 0 && match.probability <= 1)) {
      throw new InvalidSetting(`probability: ${match.probability} is not between 0 and 1`)
    }
  }

  get early(): boolean {
    return isEarly(this.chosen.fault)
  }

  hits(subject: RuleSubject): boolean {
    for (const test of this.#tests) if (!test(subject)) return false
    this.#count += 1
    if (this.#turn !== undefined && !this.#turn(this.#count)) return false
    return this.#probability === undefined || drawUnit(this.#seed, this.#count) < this.#probability
  }
}

/** The rules in force, in order. */
export class RuleSet {
  readonly #early: readonly CompiledRule[]
  readonly #rules: readonly CompiledRule[]
  readonly source: readonly FaultRule[]

  /** @throws {InvalidSetting} when a rule makes no sense. */
  constructor(rules: readonly FaultRule[], seed: number) {
    this.source = rules
    const compiled = rules.map((rule, index) => new CompiledRule(rule, seed + index))
    this.#early = compiled.filter((rule) => rule.early)
    this.#rules = compiled.filter((rule) => !rule.early)
  }

  /** Whether some rule answers before the body is there. */
  get hasEarly(): boolean {
    return this.#early.length > 0
  }

  /**
   * Every rule up to the one that wins counts the request.
   *
   * @param stage `head` asks the rules that answer without the body, `body` the others.
   */
  choose(subject: RuleSubject, stage: 'head' | 'body'): ChosenFault | undefined {
    return (stage === 'head' ? this.#early : this.#rules).find((rule) => rule.hits(subject))?.chosen
  }
}
