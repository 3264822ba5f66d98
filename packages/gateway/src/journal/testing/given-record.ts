import type { UsageRecord } from '../usage-record.ts'

/** A record of a small call. */
export function givenRecord(given: Partial<UsageRecord> = {}): UsageRecord {
  return {
    id: 'id',
    startedAtMs: 1_000,
    atMs: 2_000,
    replica: 'host',
    outcome: 'ok',
    status: 200,
    consumer: undefined,
    credential: undefined,
    tags: [],
    route: 'chat',
    service: 'chat',
    provider: undefined,
    model: 'gpt-4.1',
    usage: undefined,
    costNanoDollars: undefined,
    costEstimated: false,
    streamed: false,
    cached: false,
    saved: undefined,
    charges: [],
    resets: [],
    ...given,
  }
}
