import { fieldName, HeaderList, type FieldName } from '../http/index.ts'

/** What undici hands over besides the raw list: lower-case name → value, or values when the field repeats. */
export type ParsedFields = Readonly<Record<string, string | string[] | undefined>>

/**
 * Turns the raw fields of a response into the list that goes on: names in their case and order, hop-by-hop fields and
 * those that `Connection` names dropped (S19). Runs for every response: names are looked up by their bytes, so that a
 * name seen before is not decoded again, and values are taken from what undici has decoded already.
 *
 * @param raw name, value, … as undici's `controller.rawHeaders`.
 */
export function toResponseFields(
  raw: readonly (Buffer | string)[],
  parsed: ParsedFields,
): HeaderList {
  const flat: string[] = []
  let connection: string | undefined
  for (let i = 0; i < raw.length; i += 2) {
    const name = nameOf(raw[i] ?? '')
    if (name.hopByHop) {
      if (name.lower === 'connection')
        connection = append(connection, valueOf(raw[i + 1], parsed, name))
      continue
    }
    flat.push(name.text, valueOf(raw[i + 1], parsed, name))
  }
  const list = new HeaderList(flat)
  if (connection !== undefined) dropNamed(list, connection)
  return list
}

function append(before: string | undefined, value: string): string {
  return before === undefined ? value : `${before},${value}`
}

function dropNamed(list: HeaderList, connection: string): void {
  // Nearly every answer says just this.
  if (connection === 'keep-alive' || connection === 'close') return
  for (const option of connection.toLowerCase().split(',')) {
    const name = option.trim()
    // The length is what the connection's own framing was judged by; a peer cannot disown it.
    if (name !== '' && name !== 'content-length') list.delete(name)
  }
}

function valueOf(raw: Buffer | string | undefined, parsed: ParsedFields, name: FieldName): string {
  const value = parsed[name.lower]
  if (typeof value === 'string') return value
  return raw === undefined || typeof raw === 'string' ? (raw ?? '') : raw.toString('latin1')
}

function nameOf(raw: Buffer | string): FieldName {
  const bytes = typeof raw === 'string' ? Buffer.from(raw, 'latin1') : raw
  return fieldName(bytes, 0, bytes.length)
}
