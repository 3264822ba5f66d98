import type { FaultRule, ChosenFault, RuleSubject } from '../faults/rules.ts'
import { isEarly, RuleSet } from '../faults/rules.ts'
import { parseFault } from '../faults/parse-fault.ts'
import { headerValue } from '../wire/request-head.ts'
import type { HeaderPair } from '../wire/request-head.ts'
import { Attempts } from './attempts.ts'

export const FAULT_HEADER = 'x-simulator-fault'
/** Different header values whose parsed form is kept. */
const MAX_PARSED = 256

/** Decides which fault a request meets: its own header's, else the first matching rule's. */
export class FaultChoice {
  readonly #seed: number
  readonly #initial: readonly FaultRule[]
  readonly #attempts = new Attempts()
  readonly #parsed = new Map<string, ChosenFault>()
  #rules: RuleSet

  constructor(initial: readonly FaultRule[], seed: number) {
    this.#seed = seed
    this.#initial = initial
    this.#rules = new RuleSet(initial, seed)
  }

  get rules(): readonly FaultRule[] {
    return this.#rules.source
  }

  /** @throws {InvalidSetting} when a rule makes no sense; the old ones stay then. */
  setRules(rules: readonly FaultRule[]): void {
    this.#rules = new RuleSet(rules, this.#seed)
  }

  /** The rules of the start, and all counts from 0. */
  restart(): void {
    this.setRules(this.#initial)
    this.#attempts.clear()
  }

  /**
   * A fault that does not wait for the body.
   *
   * @throws {InvalidSetting} when the header cannot be understood.
   */
  atHead(subject: RuleSubject): ChosenFault | undefined {
    const own = this.#fromHeader(subject.headers)
    if (own !== undefined) return isEarly(own.fault) ? own : undefined
    return this.#rules.hasEarly ? this.#rules.choose(subject, 'head') : undefined
  }

  /**
   * @param nonce names the request among its attempts.
   * @throws {InvalidSetting} when the header cannot be understood.
   */
  atBody(subject: RuleSubject, nonce: string | undefined, body: Buffer): ChosenFault | undefined {
    const chosen = this.#fromHeader(subject.headers) ?? this.#rules.choose(subject, 'body')
    const limit = chosen?.fault.attempts
    if (limit === undefined) return chosen
    return this.#attempts.count(nonce, subject.path, body) <= limit ? chosen : undefined
  }

  #fromHeader(headers: readonly HeaderPair[]): ChosenFault | undefined {
    const text = headerValue(headers, FAULT_HEADER)
    if (text === undefined) return undefined
    let chosen = this.#parsed.get(text)
    if (chosen === undefined) {
      chosen = { fault: parseFault(text), text }
      if (this.#parsed.size >= MAX_PARSED) this.#parsed.clear()
      this.#parsed.set(text, chosen)
    }
    return chosen
  }
}
