import type { RedisConnection } from '../redis/index.ts'
import { parseLine } from './frame.ts'
import { READ } from './stream-scripts.ts'
import type { UsageRecord } from './usage-record.ts'

const PAGE = 1000

/**
 * Reads a stream's records, the oldest first.
 *
 * @param sinceMs older records are left out, epoch ms.
 * @returns how many entries are no records.
 * @throws {RedisUnavailable}
 */
export async function readStream(
  connection: RedisConnection,
  stream: string,
  onRecord: (record: UsageRecord) => void,
  sinceMs = 0,
): Promise<number> {
  let damaged = 0
  let first = String(Math.max(0, Math.floor(sinceMs)))
  for (;;) {
    const found = await connection.evaluate(READ, [stream], [first, PAGE])
    if (!Array.isArray(found)) throw new TypeError('Redis answered a script with something else')
    for (let i = 1; i < found.length; i += 2) {
      const record = parseLine(Buffer.from(String(found[i])))
      if (record === undefined) damaged += 1
      else if (record.atMs >= sinceMs) onRecord(record)
    }
    if (found.length < 2 * PAGE) return damaged
    first = after(String(found[found.length - 2]))
  }
}

/** The next possible id: `(` before an id is known from Redis 6.2 on only. */
function after(id: string): string {
  const [ms = '0', sequence = '0'] = id.split('-')
  return `${ms}-${BigInt(sequence) + 1n}`
}
