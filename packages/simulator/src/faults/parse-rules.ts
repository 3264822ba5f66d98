import { InvalidSetting } from '../quantities.ts'
import { parseFault, parseFaultObject } from './parse-fault.ts'
import type { FaultMatch, FaultRule } from './rules.ts'

type MutableMatch = { -readonly [K in keyof FaultMatch]: FaultMatch[K] }

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
  const match: MutableMatch = {}
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
  const match: MutableMatch = {}
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
