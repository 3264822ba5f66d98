/**
 * What an upstream says that a response used: `video=1, calls=2` (kong.md §3.19). Names that no limit has and what is no
 * number above 0 are left out, as in Kong; of a name that stands twice the last one counts.
 *
 * @param values of all fields of the header, in order.
 * @param known names of limits.
 * @returns whole units: a fraction counts as a whole one.
 */
export function readDeclaredUse(
  values: readonly string[],
  known: ReadonlySet<string>,
): ReadonlyMap<string, number> {
  const use = new Map<string, number>()
  for (const value of values) {
    for (const part of value.split(',')) {
      const [name = '', amount = '', ...rest] = part.split('=').map((text) => text.trim())
      const units = Math.ceil(Number(amount))
      if (rest.length > 0 || amount === '' || !known.has(name)) continue
      if (Number.isSafeInteger(units) && units > 0) use.set(name, units)
    }
  }
  return use
}
