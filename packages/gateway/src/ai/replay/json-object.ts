/** An object as `JSON.parse` makes it; its members may be anything. */
export type JsonObject = Readonly<Record<string, unknown>>
/** The same while it is put together. */
export type Draft = Record<string, unknown>

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** @returns `undefined` for what is no JSON, or no object. */
export function parseObject(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isObject(value) ? value : undefined
  } catch {
    return undefined
  }
}

/** A copy whose members may be set; safe for members of any name. */
export function draftOf(object: JsonObject = {}): Draft {
  return Object.assign(Object.create(null), object)
}

/** The objects of a list; empty for anything else. */
export function objectsIn(value: unknown): readonly JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : []
}

/** A whole number from 0 on that can be a place in a list. */
export function indexOf(value: unknown, fallback: number): number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < 10_000
    ? value
    : fallback
}

/** @returns the empty text for anything that is none. */
export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
