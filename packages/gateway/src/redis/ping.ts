import type { Client } from './client.ts'
import { ioredis } from './ioredis.ts'

/** So that an operator knows whose it is. It is written since a server that is full or read-only answers PING. */
const PROBE_KEY = 'pratu:probe'
const PROBE_KEPT_MS = 10_000

/** @throws when the server (each master of a cluster) does not answer, or refuses to be written to. */
export async function ping(client: Client): Promise<void> {
  const answers: Promise<unknown>[] = [client.set(PROBE_KEY, '1', 'PX', PROBE_KEPT_MS)]
  if (client instanceof ioredis().Cluster) {
    for (const node of client.nodes('master')) answers.push(node.ping())
  }
  await Promise.all(answers)
}
