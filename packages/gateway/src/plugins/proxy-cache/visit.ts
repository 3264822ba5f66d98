import { createNoteKey, type Handler, type NoteKey, type ResponseSink } from '@pratu/plugin-kit'
import type { Exchange } from '@pratu/plugin-kit'
import type { Capture } from './capture.ts'

export type Status = 'Hit' | 'Miss' | 'Refresh' | 'Bypass'

/** What is still to be done for an exchange when its handler's turn comes. */
export interface Pending {
  run(next: Handler, exchange: Exchange, out: ResponseSink): void
  /** The exchange is over, whether or not its handler's turn came. */
  leave(): void
}

/** What the cache did with one exchange, from `access` on. */
export interface Visit {
  status: Status
  readonly key: string | undefined
  /** Seconds; on a hit only. */
  age: number | undefined
  /** Whether the upstream's answer is a candidate. */
  storing: boolean
  capture: Capture | undefined
  /** Whether it is answered by a call that somebody else's request made. */
  followed: boolean
  pending: Pending | undefined
}

export const VISIT: NoteKey<Visit> = createNoteKey<Visit>('proxy-cache')

export function visit(
  exchange: Exchange,
  status: Status,
  key: string | undefined,
  { storing = false, age }: { storing?: boolean; age?: number } = {},
): Visit {
  const visited: Visit = {
    status,
    key,
    storing,
    age,
    capture: undefined,
    followed: false,
    pending: undefined,
  }
  exchange.setNote(VISIT, visited)
  return visited
}

export function bypass(exchange: Exchange): undefined {
  visit(exchange, 'Bypass', undefined)
}
