import { InvalidSetting, parseCount } from '../latency/quantities.ts'
import { drawUnit } from '../text/random.ts'
import { headerValue } from '../wire/request-head.ts'
import type { HeaderPair } from '../wire/request-head.ts'
import type { Fault } from './fault.ts'
import { parseFault, parseFaultObject } from './parse-fault.ts'

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

/**
 * Reads a rule in its compact form: `status=503`, or conditions before an arrow,
 * `path=/v1/chat/*; model=gpt-*; header=x-team: a; nth=2-4; probability=0.3 => status=503`.
 *
 * @throws {InvalidSetting}
 */
export function parseRule(text: string): FaultRule {
  const arrow = text.indexOf('=>')
  if (arrow < 0) {
    parseFault(text)
    return { fault: text }
  }
  const fault = text.slice(arrow + 2).trim()
  parseFault(fault)
  const match: { -readonly [K in keyof FaultMatch]: FaultMatch[K] } = {}
  for (const item of text.slice(0, arrow).split(';')) {
    if (item.trim() === '') continue
    const equals = item.indexOf('=')
    const key = item.slice(0, Math.max(equals, 0)).trim()
    const value = item.slice(equals + 1).trim()
    if (key === 'method' || key === 'path' || key === 'model' || key === 'nth') match[key] = value
    else if (key === 'probability') match.probability = Number(value)
    else if (key === 'header') {
      const colon = value.indexOf(':')
      if (colon < 1)
        throw new InvalidSetting(`header: ${JSON.stringify(value)} should be NAME: VALUE`)
      match.headers = {
        ...match.headers,
        [value.slice(0, colon).trim()]: value.slice(colon + 1).trim(),
      }
    } else
      throw new InvalidSetting(
        `rule: ${JSON.stringify(item.trim())} is no condition (method, path, model, header, nth, probability)`,
      )
  }
  return { match, fault }
}

function readMatch(value: unknown): FaultMatch {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new InvalidSetting('rule: match must be an object')
  const match: { -readonly [K in keyof FaultMatch]: FaultMatch[K] } = {}
  for (const [key, setting] of Object.entries(value)) {
    const given: unknown = setting
    if ((key === 'method' || key === 'path' || key === 'model') && typeof given === 'string')
      match[key] = given
    else if (key === 'nth' && (typeof given === 'string' || typeof given === 'number'))
      match.nth = given
    else if (key === 'probability' && typeof given === 'number') match.probability = given
    else if (key === 'headers' && typeof given === 'object' && given !== null) {
      match.headers = Object.fromEntries(
        Object.entries(given).map(([name, one]) => [name, String(one)]),
      )
    } else throw new InvalidSetting(`rule: ${key} is no condition, or its value has the wrong type`)
  }
  return match
}

/**
 * Reads rules from JSON: a list of compact rules or of `{"match": {…}, "fault": "…" | {…}}`.
 *
 * @throws {InvalidSetting}
 */
export function parseRules(value: unknown): readonly FaultRule[] {
  if (!Array.isArray(value)) throw new InvalidSetting('rules: a JSON list is expected')
  const list: readonly unknown[] = value
  return list.map((element) => {
    if (typeof element === 'string') return parseRule(element)
    if (typeof element !== 'object' || element === null)
      throw new InvalidSetting('rule: must be a string or an object')
    const { match, fault, ...rest }: { match?: unknown; fault?: unknown } = element
    const [extra] = Object.keys(rest)
    if (extra !== undefined)
      throw new InvalidSetting(
        `rule: ${JSON.stringify(extra)} is unknown (match and fault are expected)`,
      )
    const parsed = typeof fault === 'string' ? parseFault(fault) : parseFaultObject(fault)
    return {
      match: match === undefined ? undefined : readMatch(match),
      fault: typeof fault === 'string' ? fault : parsed,
    }
  })
}
