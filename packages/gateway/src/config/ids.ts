import { createHash, hash } from 'node:crypto'

/**
 * Ids that do not change between loads and replicas (kong.md §1.4): UUIDv5 over Kong's own namespaces, so that an
 * unmodified file has the ids that Kong gives it.
 */
const KONG_NAMESPACE = 'fd02801f-0957-4a15-a55a-c8d9606f30b5'

/** RFC 9562 §5.5: name-based, SHA-1. */
export function uuidV5(namespace: string, name: string): string {
  const digest = createHash('sha1').update(bytesOf(namespace)).update(name).digest()
  return formatUuid(digest)
}

function bytesOf(uuid: string): Buffer {
  return Buffer.from(uuid.replaceAll('-', ''), 'hex')
}

function formatUuid(digest: Buffer): string {
  digest.writeUInt8((digest.readUInt8(6) & 0x0f) | 0x50, 6)
  digest.writeUInt8((digest.readUInt8(8) & 0x3f) | 0x80, 8)
  const hex = digest.toString('hex', 0, 16)
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}

const namespaceBytes = new Map<string, Buffer>()

/** The id of an entity that names none, from its key of kong.md §1.4. */
export function deriveId(collection: string, key: string): string {
  let namespace = namespaceBytes.get(collection)
  if (namespace === undefined) {
    namespace = bytesOf(uuidV5(KONG_NAMESPACE, collection))
    namespaceBytes.set(collection, namespace)
  }
  return formatUuid(createHash('sha1').update(namespace).update(key).digest())
}

/** Lower-case hex SHA-256: how API keys are kept and looked up. */
export function sha256Hex(text: string): string {
  return hash('sha256', text, 'hex')
}

/** JSON with sorted members: equal for equal content, whatever the order in the file. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, member: unknown) =>
    isPlainObject(member)
      ? Object.fromEntries(Object.entries(member).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : member,
  )
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
