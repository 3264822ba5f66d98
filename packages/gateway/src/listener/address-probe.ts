import { createServer } from 'node:net'
import type { ListenAddress } from '../config/index.ts'

/**
 * Finds out whether anybody listens at an address. Workers share theirs with `SO_REUSEPORT`, and would silently share it
 * with a second gateway of the same user as well.
 *
 * @throws {Error} the system's, such as `EADDRINUSE`, when the address cannot be bound alone.
 */
export async function probeAddress({ host, port }: ListenAddress): Promise<void> {
  // The system will choose a free one.
  if (port === 0) return
  const server = createServer()
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host, port, exclusive: true }, resolve)
  })
  await new Promise<void>((resolve) => void server.close(() => resolve()))
}
