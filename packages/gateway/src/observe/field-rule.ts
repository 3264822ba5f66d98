import { createHmac } from 'node:crypto'

/** What is written of fields that are to be kept out of logs and journal (S47). */
export interface FieldRule {
  /** Whether everything is shown: then nothing need be asked. */
  readonly showsAll: boolean
  /** @returns `undefined`: leave the field out. */
  shown(field: string, value: string): string | undefined
  /** Whether a field that is no single text is left out. */
  drops(field: string): boolean
}

export const SHOW_ALL: FieldRule = {
  showsAll: true,
  shown: (_field, value) => value,
  drops: () => false,
}

/** Hex characters of a hash: 64 bits, enough to tell millions of values apart. */
const HASH_LENGTH = 16

/**
 * @param rules what to do with a field; one that is absent is shown.
 * @param key of the hashes: whoever does not have it cannot find a value by trying. Equal keys give equal hashes.
 */
export function createFieldRule(
  rules: ReadonlyMap<string, 'hash' | 'drop'>,
  key: string,
): FieldRule {
  if (rules.size === 0) return SHOW_ALL
  return {
    showsAll: false,
    shown(field, value) {
      const rule = rules.get(field)
      if (rule === undefined) return value
      return rule === 'hash' ? hashed(key, value) : undefined
    },
    drops: (field) => rules.get(field) === 'drop',
  }
}

function hashed(key: string, value: string): string {
  return createHmac('sha256', key).update(value).digest('hex').slice(0, HASH_LENGTH)
}
