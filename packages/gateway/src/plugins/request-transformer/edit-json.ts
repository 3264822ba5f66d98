import type { JsonDocument } from '@pratu/plugin-kit'
import type { Edits } from './config.ts'
import { renderTemplate, type Resolve } from './template.ts'

interface Member {
  readonly value: unknown
  /** The value as JSON; what no edit names keeps its own spelling, so that no number loses a digit. */
  readonly text: string
}

/**
 * Edits the top-level members of a JSON object (kong.md §3.13). Values are always strings.
 *
 * @param document `undefined` for an empty body, which becomes an object when something is added.
 * @returns the new body; `undefined` when nothing changes: for anything but an object, and when no edit applied.
 */
export function editJson(
  document: JsonDocument | undefined,
  body: Uint8Array,
  edits: Edits,
  resolve: Resolve,
): Uint8Array | undefined {
  const members = document === undefined ? new Map<string, Member>() : membersOf(document, body)
  if (members === undefined) return undefined
  let changed = false
  const set = (name: string, value: unknown): void => {
    members.set(name, { value, text: JSON.stringify(value) })
    changed = true
  }

  for (const name of edits.remove) if (members.delete(name)) changed = true
  for (const { from, to } of edits.rename) {
    const member = members.get(from)
    if (member === undefined || from === to) continue
    members.delete(from)
    members.set(to, member)
    changed = true
  }
  for (const { name, value } of edits.replace) {
    if (members.has(name)) set(name, renderTemplate(value, resolve))
  }
  for (const { name, value } of edits.add) {
    if (!members.has(name)) set(name, renderTemplate(value, resolve))
  }
  for (const { name, value } of edits.append) {
    set(name, appended(members.get(name)?.value, renderTemplate(value, resolve)))
  }
  return changed ? Buffer.from(write(members)) : undefined
}

/** A list grows, a single value becomes a list of two, and nothing becomes a list of one. */
function appended(current: unknown, value: string): unknown[] {
  if (current === undefined || current === null) return [value]
  return Array.isArray(current) ? [...current, value] : [current, value]
}

/** Members live in a map and never on an object: their names come from outside (S24). */
function membersOf(document: JsonDocument, body: Uint8Array): Map<string, Member> | undefined {
  const { value } = document
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  const raw = Buffer.from(body.buffer, body.byteOffset, body.byteLength)
  const members = new Map<string, Member>()
  for (const [name, member] of Object.entries(value)) {
    const place = document.span(name)
    const text = place === undefined ? JSON.stringify(member) : raw.toString('utf8', ...place)
    members.set(name, { value: member, text })
  }
  return members
}

function write(members: ReadonlyMap<string, Member>): string {
  const written = Array.from(members, ([name, { text }]) => `${JSON.stringify(name)}:${text}`)
  return `{${written.join(',')}}`
}
