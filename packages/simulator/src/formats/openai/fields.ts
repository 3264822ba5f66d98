import { badParameter, ProblemError } from './errors.ts'

export type JsonObject = Readonly<Record<string, unknown>>

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function kindOf(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'an array'
  if (typeof value === 'number') return Number.isInteger(value) ? 'an integer' : 'a decimal'
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`
}

export function wrongType(param: string, expected: string, value: unknown): Error {
  return badParameter(
    param,
    'invalid_type',
    `Invalid type for '${param}': expected ${expected}, but got ${kindOf(value)} instead.`,
  )
}

/** Typed reading of optional members: `undefined` when absent or null, a 400 that names the member when it is wrong. */
export class Fields {
  readonly #object: JsonObject
  readonly #prefix: string

  /** @param prefix where the object is, for messages; empty for the body itself. */
  constructor(object: JsonObject, prefix = '') {
    this.#object = object
    this.#prefix = prefix === '' ? '' : `${prefix}.`
  }

  /** Of a whole request. @throws {ProblemError} when it is no object. */
  static of(body: unknown): Fields {
    if (isObject(body)) return new Fields(body)
    const message = 'The request body must be a JSON object.'
    throw new ProblemError({ status: 400, message, code: null })
  }

  path(name: string): string {
    return `${this.#prefix}${name}`
  }

  raw(name: string): unknown {
    return this.#object[name]
  }

  string(name: string): string | undefined {
    const value = this.#object[name]
    if (value === undefined || value === null) return undefined
    if (typeof value !== 'string') throw wrongType(this.path(name), 'a string', value)
    return value
  }

  requiredString(name: string): string {
    const value = this.string(name)
    if (value === undefined || value === '') {
      throw badParameter(
        this.path(name),
        'missing_required_parameter',
        `Missing required parameter: '${this.path(name)}'.`,
      )
    }
    return value
  }

  boolean(name: string): boolean | undefined {
    const value = this.#object[name]
    if (value === undefined || value === null) return undefined
    if (typeof value !== 'boolean') throw wrongType(this.path(name), 'a boolean', value)
    return value
  }

  number(name: string, min: number, max: number): number | undefined {
    const value = this.#object[name]
    if (value === undefined || value === null) return undefined
    if (typeof value !== 'number') throw wrongType(this.path(name), 'a decimal', value)
    return this.#within('decimal', name, value, min, max)
  }

  integer(name: string, min: number, max = Number.MAX_SAFE_INTEGER): number | undefined {
    const value = this.#object[name]
    if (value === undefined || value === null) return undefined
    if (typeof value !== 'number' || !Number.isInteger(value))
      throw wrongType(this.path(name), 'an integer', value)
    return this.#within('integer', name, value, min, max)
  }

  #within(
    kind: 'decimal' | 'integer',
    name: string,
    value: number,
    min: number,
    max: number,
  ): number {
    const param = this.path(name)
    const told = `Invalid '${param}': ${value} is`
    if (value < min)
      throw badParameter(param, `${kind}_below_min_value`, `${told} below the minimum of ${min}.`)
    if (value > max)
      throw badParameter(param, `${kind}_above_max_value`, `${told} above the maximum of ${max}.`)
    return value
  }

  choice<T extends string>(name: string, allowed: readonly T[]): T | undefined {
    const value = this.string(name)
    if (value === undefined) return undefined
    const known = allowed.find((one) => one === value)
    if (known === undefined) {
      throw badParameter(
        this.path(name),
        'invalid_value',
        `Invalid value: '${value}' for '${this.path(name)}'. Supported values are: ${allowed.join(', ')}.`,
      )
    }
    return known
  }

  array(name: string): readonly unknown[] | undefined {
    const value = this.#object[name]
    if (value === undefined || value === null) return undefined
    if (!Array.isArray(value)) throw wrongType(this.path(name), 'an array', value)
    const list: readonly unknown[] = value
    return list
  }

  object(name: string): Fields | undefined {
    const value = this.#object[name]
    if (value === undefined || value === null) return undefined
    if (!isObject(value)) throw wrongType(this.path(name), 'an object', value)
    return new Fields(value, this.path(name))
  }
}

/** @returns the members of an element of a list. @throws a 400 when it is no object. */
export function elementFields(value: unknown, path: string): Fields {
  if (!isObject(value)) throw wrongType(path, 'an object', value)
  return new Fields(value, path)
}
