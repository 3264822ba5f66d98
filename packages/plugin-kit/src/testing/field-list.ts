import type { HeaderFields } from '../messages.ts'

/** Header fields for a test: an object (an array value repeats the field) or name and value pairs in wire order. */
export type FieldsGiven =
  | Readonly<Record<string, string | readonly string[]>>
  | readonly (readonly [name: string, value: string])[]

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/

/**
 * Header fields that are strict where the gateway's own are fast: a malformed name, a value with a line break, or a
 * lookup that is not in lower case throws, so that a plugin's mistake shows in its own test.
 */
export class FieldList implements HeaderFields {
  #fields: [name: string, value: string][] = []

  constructor(given: FieldsGiven = []) {
    for (const [name, value] of pairs(given)) this.append(name, value)
  }

  get flat(): readonly string[] {
    return this.#fields.flat()
  }

  get(name: string): string | undefined {
    this.#lower(name)
    return this.#fields.find(([field]) => field.toLowerCase() === name)?.[1]
  }

  all(name: string): readonly string[] {
    this.#lower(name)
    return this.#fields.filter(([field]) => field.toLowerCase() === name).map(([, value]) => value)
  }

  has(name: string): boolean {
    return this.get(name) !== undefined
  }

  set(name: string, value: string): void {
    checkField(name, value)
    const lower = name.toLowerCase()
    const at = this.#fields.findIndex(([field]) => field.toLowerCase() === lower)
    if (at === -1) {
      this.#fields.push([name, value])
      return
    }
    this.#fields = this.#fields.filter(
      ([field], index) => index <= at || field.toLowerCase() !== lower,
    )
    this.#fields[at] = [name, value]
  }

  append(name: string, value: string): void {
    checkField(name, value)
    this.#fields.push([name, value])
  }

  delete(name: string): void {
    this.#lower(name)
    this.#fields = this.#fields.filter(([field]) => field.toLowerCase() !== name)
  }

  /** Name and value pairs in wire order and case. */
  entries(): readonly (readonly [name: string, value: string])[] {
    return this.#fields.map(([name, value]) => [name, value] as const)
  }

  /** Lower-case name → value; repeated fields joined by `, `. For assertions. */
  toObject(): Record<string, string> {
    const object: Record<string, string> = {}
    for (const [name, value] of this.#fields) {
      const lower = name.toLowerCase()
      const before = object[lower]
      object[lower] = before === undefined ? value : `${before}, ${value}`
    }
    return object
  }

  #lower(name: string): void {
    if (name !== name.toLowerCase()) {
      throw new TypeError(`header lookups are in lower case: ${JSON.stringify(name)}`)
    }
  }
}

function pairs(given: FieldsGiven): Iterable<readonly [string, string]> {
  if (isPairs(given)) return given
  return Object.entries(given).flatMap(([name, value]) =>
    typeof value === 'string' ? [[name, value] as const] : value.map((one) => [name, one] as const),
  )
}

function isPairs(given: FieldsGiven): given is readonly (readonly [string, string])[] {
  return Array.isArray(given)
}

function checkField(name: string, value: string): void {
  if (!TOKEN.test(name)) throw new TypeError(`not a header name: ${JSON.stringify(name)}`)
  // oxlint-disable-next-line no-control-regex -- exactly the characters that RFC 9110 §5.5 forbids in a value
  if (typeof value !== 'string' || /[\r\n\0]/.test(value)) {
    throw new TypeError(`not a value for ${name}: ${JSON.stringify(value)}`)
  }
}
