import { formatQuery, parseQuery, type QueryArgument } from '../../http/index.ts'

/** What a name stands for: one text, something that is not one text, or nothing. */
export type ParameterValue = string | typeof REPEATED | undefined

/** The name occurs more than once, or with a list or record as its value: Kong calls all of these duplicates. */
export const REPEATED: unique symbol = Symbol('repeated')

/** Named values of a query or a body, and the same without one of them. */
export interface Parameters<Source> {
  value(name: string): ParameterValue
  /** @returns everything else, byte for byte as it came; `undefined` when the name does not occur. */
  without(name: string): Source | undefined
}

/** @param query with or without its `?`. */
export function queryParameters(query: string): Parameters<string> {
  const found = parseQuery(query)
  return {
    value: (name) => argumentValue(found, name),
    without(name) {
      const kept = found.filter((argument) => argument.name !== name)
      return kept.length === found.length ? undefined : formatQuery(kept)
    },
  }
}

function argumentValue(found: readonly QueryArgument[], name: string): ParameterValue {
  const values = found.filter((argument) => argument.name === name)
  if (values.length > 1) return REPEATED
  const value = values[0]?.value
  // A name without `=` is no text in Kong, so the search goes on.
  return value === true ? undefined : value
}
