import type { QueryArgument } from '../../http/index.ts'
import type { Edits } from './config.ts'
import { renderTemplate, type Resolve } from './template.ts'

/** Edits the arguments of a query or of a urlencoded body (kong.md §3.13); what no edit names stays as it came. */
export function editArguments(
  given: readonly QueryArgument[],
  edits: Edits,
  resolve: Resolve,
): readonly QueryArgument[] {
  let found = [...given]
  const has = (name: string): boolean => found.some((one) => one.name === name)
  const make = (name: string, value: string): QueryArgument => ({ name, value, raw: undefined })

  for (const name of edits.remove) found = found.filter((one) => one.name !== name)
  for (const { from, to } of edits.rename) {
    if (from === to || !has(from)) continue
    found = found
      .filter((one) => one.name !== to)
      .map((one) => (one.name === from ? { name: to, value: one.value, raw: undefined } : one))
  }
  for (const { name, value } of edits.replace) {
    const at = found.findIndex((one) => one.name === name)
    if (at < 0) continue
    const replaced = make(name, renderTemplate(value, resolve))
    found = found.filter((one, index) => index <= at || one.name !== name).with(at, replaced)
  }
  for (const { name, value } of edits.add) {
    if (!has(name)) found.push(make(name, renderTemplate(value, resolve)))
  }
  for (const { name, value } of edits.append) found.push(make(name, renderTemplate(value, resolve)))
  return found
}
