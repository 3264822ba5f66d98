import type { Clock } from '@pratu/plugin-kit'
import type { OnUpstreamEvent } from './events.ts'

/** What a call needs of the client that started it. */
export interface CallContext {
  readonly clock: Clock
  readonly onEvent: OnUpstreamEvent
  /** `false`: no connection is used twice, and every request says so. */
  readonly keepAlive: boolean
  /** Whether no more tries may start. */
  readonly closing: boolean
  /** A call has settled. */
  finished(): void
}
