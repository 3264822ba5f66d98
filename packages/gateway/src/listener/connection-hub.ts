import type { ErrorCode } from '../errors/index.ts'
import type { BodyPace } from './body-reader.ts'
import type { ChunkedLimits } from './chunked-decoder.ts'
import type { ClientAddress } from './client-address.ts'
import type { IdleCloser } from './idle-closer.ts'
import type { ListenerOptions, RefusalPhase, RefusedRequest, RequestListener } from './options.ts'
import type { BodyLimits } from './request-body.ts'

/** What all connections of a listener share. */
export interface ConnectionHub {
  readonly options: ListenerOptions
  readonly onRequest: RequestListener
  readonly clientAddress: ClientAddress
  readonly bodyLimits: BodyLimits
  readonly bodyPace: BodyPace
  readonly chunkedLimits: ChunkedLimits
  readonly lingerMs: number
  readonly lingerBytes: number
  /** Coarse monotonic milliseconds: every tick of the listener sets it, so that a request reads no clock. */
  readonly nowMs: number
  readonly dateLine: string
  readonly keepAliveLines: string
  readonly port: number
  readonly draining: boolean
  readonly idleCloser: IdleCloser
  /** A whole head has arrived, whatever is said to it. */
  requestReceived(): void
  requestStarted(): void
  requestEnded(): void
  refused(code: ErrorCode, phase: RefusalPhase, request?: RefusedRequest): void
  defect(error: unknown): void
}
