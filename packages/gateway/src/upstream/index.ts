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
export { isAllowedAddress, type AddressPolicy } from './address-policy.ts'
export { createWeightedRoundRobin, type Balancer } from './balancer.ts'
export { createUpstreamClient, type UpstreamClientOptions } from './client.ts'
export type { OnUpstreamEvent, UpstreamEvent } from './events.ts'
export { lookupBySystem, type Lookup, type ResolvedAddress } from './resolver.ts'
