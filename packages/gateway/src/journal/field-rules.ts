import { createHmac } from 'node:crypto'

/** Fields of a record that can be kept out of it. */
export const REDACTABLE_FIELDS = [
  'replica',
  'consumer',
  'credential',
  'tags',
  'route',
  'service',
  'provider',
  'model',
  'charges',
] as const

export type RedactableField = (typeof REDACTABLE_FIELDS)[number]

/** What is written of a field that was told to be kept out. */
export interface FieldRule {
  /** @returns `undefined`: leave the field out. */
  shown(field: RedactableField, value: string): string | undefined
  /** Whether lists, such as tags and charges, are left out. */
  drops(field: RedactableField): boolean
}

export const SHOW_ALL: FieldRule = {
  shown: (_field, value) => value,
  drops: () => false,
}

/** Hex characters of a hash: 64 bits, enough to tell millions of names apart. */
const HASH_LENGTH = 16

/**
 * @param rules what to do with a field; absent: show it.
 * @param key of the hashes: without it nobody can tell by trying whose hash it is. Equal keys give equal hashes.
 */
export function createFieldRule(
  rules: ReadonlyMap<string, 'hash' | 'drop'>,
  key: string,
): FieldRule {
  if (rules.size === 0) return SHOW_ALL
  return {
    shown(field, value) {
      const rule = rules.get(field)
      if (rule === undefined) return value
      return rule === 'hash' ? hashed(key, value) : undefined
    },
    drops: (field) => rules.get(field) === 'drop',
  }
}

export function hashed(key: string, value: string): string {
  return createHmac('sha256', key).update(value).digest('hex').slice(0, HASH_LENGTH)
}
