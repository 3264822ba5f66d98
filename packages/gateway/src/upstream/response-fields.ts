import { HeaderList } from '../http/index.ts'

/** What undici hands over besides the raw list: lower-case name → value, or values when the field repeats. */
export type ParsedFields = Readonly<Record<string, string | string[] | undefined>>

/** The fields that concern one connection only (RFC 9110 §7.6.1, RFC 9112 §7, and the old proxy pair). */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  'te',
  'trailer',
  'upgrade',
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'proxy-authenticate',
  'proxy-authentication-info',
])

interface FieldName {
  /** As on the wire. */
  readonly text: string
  readonly lower: string
  readonly bytes: Uint8Array
  readonly hopByHop: boolean
}

const BUCKETS = 1024
/** A hostile upstream can neither grow the table beyond this nor make one look-up long; other names are just decoded. */
const MAX_PER_BUCKET = 4
const MAX_INTERNED_LENGTH = 64

const buckets: (FieldName[] | undefined)[] = Array.from({ length: BUCKETS })

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
  if (typeof raw === 'string') return describe(raw, NO_BYTES)
  const { length } = raw
  if (length === 0 || length > MAX_INTERNED_LENGTH)
    return describe(raw.toString('latin1'), NO_BYTES)
  const hash =
    ((raw[0] ?? 0) * 31 +
      (raw[length >> 1] ?? 0) * 17 +
      (raw[length - 1] ?? 0) * 7 +
      length * 131) %
    BUCKETS
  const bucket = buckets[hash]
  if (bucket !== undefined) {
    for (const known of bucket) if (isSame(known.bytes, raw)) return known
  }
  const name = describe(raw.toString('latin1'), Uint8Array.from(raw))
  if (bucket === undefined) buckets[hash] = [name]
  else if (bucket.length < MAX_PER_BUCKET) bucket.push(name)
  return name
}

const NO_BYTES = new Uint8Array(0)

function describe(text: string, bytes: Uint8Array): FieldName {
  const lower = text.toLowerCase()
  return { text, lower, bytes, hopByHop: HOP_BY_HOP.has(lower) }
}

function isSame(known: Uint8Array, raw: Uint8Array): boolean {
  if (known.length !== raw.length) return false
  for (let i = 0; i < known.length; i++) if (known[i] !== raw[i]) return false
  return true
}
