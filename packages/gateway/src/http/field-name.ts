/** A field name as some peer spells it. */
export interface FieldName {
  /** As on the wire. */
  readonly text: string
  readonly lower: string
  readonly bytes: Uint8Array
  /** Whether the field concerns one connection only. */
  readonly hopByHop: boolean
}

/** RFC 9110 §7.6.1, RFC 9112 §7, and the old proxy pair. */
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

const BUCKETS = 1024
/** A hostile peer can neither grow the table beyond this nor make one look-up long; other names are just decoded. */
const MAX_PER_BUCKET = 4
const MAX_INTERNED_LENGTH = 64

const buckets: (FieldName[] | undefined)[] = Array.from({ length: BUCKETS })

/**
 * The name that stands in `data` from `start` up to `end`. Names are looked up by their bytes: one that was seen before is
 * neither decoded nor lower-cased again, and its texts are the same objects every time, which whoever looks them up in a
 * table or compares them afterwards has for the price of a pointer.
 */
export function fieldName(data: Uint8Array, start: number, end: number): FieldName {
  const length = end - start
  if (length === 0 || length > MAX_INTERNED_LENGTH) return describe(copy(data, start, end))
  const hash =
    ((data[start] ?? 0) * 31 +
      (data[start + (length >> 1)] ?? 0) * 17 +
      (data[end - 1] ?? 0) * 7 +
      length * 131) %
    BUCKETS
  const bucket = (buckets[hash] ??= [])
  for (const known of bucket) if (isSame(known.bytes, data, start, length)) return known
  const name = describe(copy(data, start, end))
  if (bucket.length === MAX_PER_BUCKET) return name
  const interned = { ...name, text: asKey(name.text), lower: asKey(name.lower) }
  bucket.push(interned)
  return interned
}

function copy(data: Uint8Array, start: number, end: number): Buffer {
  return Buffer.from(data.subarray(start, end))
}

function describe(bytes: Buffer): FieldName {
  const text = bytes.toString('latin1')
  const lower = text.toLowerCase()
  return { text, lower, bytes, hopByHop: HOP_BY_HOP.has(lower) }
}

/** The same text as V8 keeps the names of properties: one object per text, with which constants of the source share. */
function asKey(text: string): string {
  return Object.keys({ [text]: undefined })[0] ?? text
}

function isSame(known: Uint8Array, data: Uint8Array, start: number, length: number): boolean {
  if (known.length !== length) return false
  for (let i = 0; i < length; i++) if (known[i] !== data[start + i]) return false
  return true
}
