/**
 * JSON text that is equal for equal values: members in the order of their names, no white space, escapes only where JSON
 * needs them.
 *
 * @returns `undefined` when a number is not exact in JavaScript: two different requests could read the same then.
 */
export function canonicalJson(value: unknown): string | undefined {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return JSON.stringify(value)
    case 'number':
      return Math.abs(value) <= Number.MAX_SAFE_INTEGER ? JSON.stringify(value) : undefined
    case 'object':
      if (value === null) return 'null'
      return Array.isArray(value) ? canonicalArray(value) : canonicalObject(value)
    default:
      return undefined
  }
}

function canonicalArray(values: readonly unknown[]): string | undefined {
  let text = '['
  for (let i = 0; i < values.length; i++) {
    const one = canonicalJson(values[i])
    if (one === undefined) return undefined
    text += i === 0 ? one : `,${one}`
  }
  return `${text}]`
}

function canonicalObject(object: object): string | undefined {
  let text = '{'
  for (const name of Object.keys(object).sort()) {
    const one = canonicalJson(Reflect.get(object, name))
    if (one === undefined) return undefined
    text += `${text.length === 1 ? '' : ','}${JSON.stringify(name)}:${one}`
  }
  return `${text}}`
}
