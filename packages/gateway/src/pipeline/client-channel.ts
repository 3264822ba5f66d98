import type { ResponseSink } from '@pratu/plugin-kit'

/** Why a client will not take the rest of its response. */
export type Departure = 'client_cancelled' | 'client_stalled'

/** The way back to one client, as the listener provides it. */
export interface ClientChannel extends ResponseSink {
  /** Whether status and headers are on the wire. */
  readonly headSent: boolean
  /** Head and body bytes handed to the socket. */
  readonly bytesSent: number
  /** Request line, header and body bytes received so far. */
  readonly bytesReceived: number
  /** Why the client has gone; `undefined` while it is there. */
  readonly departed: Departure | undefined
  /** At most one listener; called once, also when the client had gone before. A clean half-close is no departure (F07). */
  onDeparture(listener: (departure: Departure) => void): void
  /** At most one listener; called once when the whole response was handed to the kernel or the connection died. */
  onFinished(listener: () => void): void
}
