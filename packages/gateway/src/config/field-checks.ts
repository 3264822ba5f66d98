import * as z from 'zod'

/**
 * Rules between the members of a record. They are reported under Kong's pseudo-field `@entity` (kong.md §1.7), and they
 * run even when single members are wrong, so that a user sees every problem at once.
 */
export const ENTITY = '@entity'

type Members<Name extends string> = { readonly [K in Name]?: unknown }

function isSet(value: unknown): boolean {
  if (value === undefined || value === null) return false
  if (Array.isArray(value)) return value.length > 0
  return true
}

function quoted(names: readonly string[]): string {
  return names.map((name) => `'${name}'`).join(', ')
}

/**
 * Rules of your own over the whole record, told through `report`; `name` is a member, or {@link ENTITY}. They also run
 * when single members are wrong, so check a member's type before calculating with it.
 */
export function recordRules<Record>(
  judge: (record: Record, report: (name: string, message: string) => void) => void,
) {
  const check = z.check<Record>((payload) => {
    judge(payload.value, (name, message) =>
      payload.issues.push({ code: 'custom', message, path: [name], input: payload.value }),
    )
  })
  check._zod.def.when = isRecord
  return check
}

/** One rule over the whole record: answers what is wrong, or `undefined`. @see recordRules */
export function entityRule<Record>(rule: (record: Record) => string | undefined) {
  return recordRules<Record>((record, report) => {
    const message = rule(record)
    if (message !== undefined) report(ENTITY, message)
  })
}

function holdsOr<Record>(holds: (record: Record) => boolean, message: string) {
  return entityRule<Record>((record) => (holds(record) ? undefined : message))
}

function isRecord(payload: { readonly value: unknown }): boolean {
  return typeof payload.value === 'object' && payload.value !== null
}

function count<Name extends string>(record: Members<Name>, names: readonly Name[]): number {
  return names.filter((name) => isSet(record[name])).length
}

export function atLeastOneOf<const Name extends string>(...names: readonly Name[]) {
  return holdsOr<Members<Name>>(
    (record) => count(record, names) > 0,
    `at least one of these fields must be non-empty: ${quoted(names)}`,
  )
}

export function exactlyOneOf<const Name extends string>(...names: readonly Name[]) {
  return holdsOr<Members<Name>>(
    (record) => count(record, names) === 1,
    `exactly one of these fields must be non-empty: ${quoted(names)}`,
  )
}

export function onlyOneOrNoneOf<const Name extends string>(...names: readonly Name[]) {
  return holdsOr<Members<Name>>(
    (record) => count(record, names) <= 1,
    `only one or none of these fields must be set: ${quoted(names)}`,
  )
}

export function allOrNoneOf<const Name extends string>(...names: readonly Name[]) {
  return holdsOr<Members<Name>>(
    (record) => {
      const given = count(record, names)
      return given === 0 || given === names.length
    },
    `all or none of these fields must be set: ${quoted(names)}`,
  )
}
