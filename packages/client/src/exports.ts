/** What the entries for Node and for the web have in common. */
export type { Answered, CallMeta } from './call-meta.ts'
export type { CallOptions } from './caller.ts'
export type { ChatBatchResult } from './client.ts'
export type { BatchOptions, BatchOutcome, BatchProgress } from './batch/run-batch.ts'
export type { Clock } from './clock.ts'
export {
  AuthError,
  BudgetError,
  CancelledError,
  ConnectionError,
  PratuError,
  RateLimitError,
  RequestError,
  TimeoutError,
  TruncatedError,
  UpstreamError,
  type ErrorKind,
  type TimeoutPhase,
} from './errors.ts'
export type * from './openai/index.ts'
export type { BackoffOptions, PoolOptions, PratuClientOptions } from './options.ts'
export type { ChatStream } from './stream/chat-stream.ts'
export { fetchTransport, type Fetch } from './transport/fetch-transport.ts'
export {
  TransportError,
  type Transport,
  type TransportRequest,
  type TransportResponse,
} from './transport/transport.ts'
export type { ClientUsage } from './usage-meter.ts'
