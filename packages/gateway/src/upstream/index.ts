export type {
  Try,
  UpstreamCall,
  UpstreamClient,
  UpstreamFailure,
  UpstreamRequest,
  UpstreamSink,
  UpstreamTarget,
  UpstreamTargeting,
  UpstreamTls,
} from './contract.ts'
export { createUpstreamClient, type UpstreamClientOptions } from './client.ts'
export type { UpstreamEvent } from './events.ts'
