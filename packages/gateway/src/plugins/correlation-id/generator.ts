import { networkInterfaces } from 'node:os'
import type { PluginContext, RequestView } from '@pratu/plugin-kit'
import type { CorrelationIdConfig } from './config.ts'

export type Generator = (request: RequestView) => string

/** What makes ids for requests that came without one (kong.md §3.5). */
export function createGenerator(
  generator: CorrelationIdConfig['generator'],
  context: PluginContext,
): Generator {
  const { clock, random } = context
  // Counters and their prefix outlive a reload, so that no id is given out twice.
  const count = context.keep('count', () => ({ last: 0 }))
  switch (generator) {
    case 'uuid':
      return () => random.uuid()
    case 'uuid#counter': {
      const prefix = context.keep('prefix', () => `${random.uuid()}#`)
      return () => prefix + String(++count.last)
    }
    case 'tracker': {
      const address = ownAddress()
      // Kong's place of connection and request on it: neither is known here, a count of our own keeps ids apart.
      const origin = `${process.pid}-${context.node.worker}`
      return ({ port }) =>
        `${address}-${port}-${origin}-${++count.last}-${(clock.now() / 1_000).toFixed(3)}`
    }
  }
}

/** The address that other machines know this one by. */
function ownAddress(): string {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? [])
  const reachable = all.filter(({ internal }) => !internal)
  const preferred = reachable.find(({ family }) => family === 'IPv4') ?? reachable[0]
  return preferred?.address ?? '127.0.0.1'
}
