import type { HeaderFields } from '@pratu/plugin-kit'

const lowered = new Map<string, string>()

/** Lower case through a bounded memo: the same few dozen names arrive with every request. */
export function lowerCaseName(name: string): string {
  const known = lowered.get(name)
  if (known !== undefined) return known
  const lower = name.toLowerCase()
  if (lowered.size < 4096 && name.length < 64) lowered.set(name, lower)
  return lower
}

const NONE: readonly string[] = []

/** Header fields as a flat list of names and values, in wire order and case: what Node reads and writes fastest. */
export class HeaderList implements HeaderFields {
  #flat: string[]

  /** @param flat name, value, name, value, …; owned by the list from now on. */
  constructor(flat: string[] = []) {
    this.#flat = flat
  }

  /** The live list, for the writer that puts it on the wire. */
  get flat(): string[] {
    return this.#flat
  }

  get(name: string): string | undefined {
    const flat = this.#flat
    for (let i = 0; i < flat.length; i += 2) {
      const field = flat[i]
      if (field !== undefined && field.length === name.length && lowerCaseName(field) === name) {
        return flat[i + 1]
      }
    }
    return undefined
  }

  all(name: string): readonly string[] {
    const flat = this.#flat
    let values: string[] | undefined
    for (let i = 0; i < flat.length; i += 2) {
      const field = flat[i]
      if (field !== undefined && field.length === name.length && lowerCaseName(field) === name) {
        values ??= []
        values.push(flat[i + 1] ?? '')
      }
    }
    return values ?? NONE
  }

  has(name: string): boolean {
    return this.get(name) !== undefined
  }

  set(name: string, value: string): void {
    const lower = lowerCaseName(name)
    const flat = this.#flat
    for (let i = 0; i < flat.length; i += 2) {
      const field = flat[i]
      if (field !== undefined && field.length === lower.length && lowerCaseName(field) === lower) {
        flat[i] = name
        flat[i + 1] = value
        this.#deleteFrom(lower, i + 2)
        return
      }
    }
    flat.push(name, value)
  }

  append(name: string, value: string): void {
    this.#flat.push(name, value)
  }

  delete(name: string): void {
    this.#deleteFrom(name, 0)
  }

  #deleteFrom(lower: string, start: number): void {
    const flat = this.#flat
    let kept = start
    for (let i = start; i < flat.length; i += 2) {
      const field = flat[i] ?? ''
      if (field.length === lower.length && lowerCaseName(field) === lower) continue
      if (kept !== i) {
        flat[kept] = field
        flat[kept + 1] = flat[i + 1] ?? ''
      }
      kept += 2
    }
    if (kept !== flat.length) flat.length = kept
  }
}
