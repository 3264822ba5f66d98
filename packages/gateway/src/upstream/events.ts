import type { ErrorCode } from '../errors/index.ts'

/** What happens between requests, for logs and metrics. Nothing here may be told to a client (S23). */
export type UpstreamEvent =
  | {
      readonly kind: 'override'
      readonly from: string
      readonly to: string
    }
  | {
      /** Another try follows. `stale`: an idle connection had died, which says nothing about the upstream (F39). */
      readonly kind: 'retry'
      readonly service: string
      readonly host: string
      readonly port: number
      readonly error: ErrorCode
      readonly stale: boolean
    }
  | {
      readonly kind: 'addresses-changed'
      readonly host: string
      readonly addresses: readonly string[]
      /** Connections to former addresses that will serve no further request. */
      readonly retired: number
    }
  | {
      readonly kind: 'resolution-failed'
      readonly host: string
      readonly error: Error
      readonly lastGoodUsed: boolean
    }
  | {
      /** A sink or this room itself threw; the call was failed where that was still possible. */
      readonly kind: 'defect'
      readonly error: Error
    }

export type OnUpstreamEvent = (event: UpstreamEvent) => void
