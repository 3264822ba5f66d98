import type { Entities } from './entities.ts'

/*
 * Ten thousand routes have ten thousand empty lists: one frozen list for all of them keeps a configuration small.
 */

export const NO_HEADERS: ReadonlyMap<string, readonly string[]> = new Map()

/** The list itself, frozen, or the shared empty one. */
export function shared<T>(list: readonly T[] | undefined): readonly T[] {
  return list === undefined || list.length === 0 ? EMPTY : Object.freeze(list)
}

const EMPTY: readonly never[] = Object.freeze([])

/** Freezes plain objects and lists all the way down; what has a class of its own is left alone. */
export function freezeDeep<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  if (Array.isArray(value)) {
    for (const item of value) freezeDeep(item)
    return Object.freeze(value)
  }
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) return value
  for (const member of Object.values(value)) freezeDeep(member)
  return Object.freeze(value)
}

/** Freezes the lists and every entity in them; what is inside entities is frozen where it is made. */
export function freezeEntities(entities: Entities): Entities {
  for (const list of Object.values(entities))
    if (Array.isArray(list)) for (const entity of Object.freeze(list)) Object.freeze(entity)
  return Object.freeze(entities)
}
