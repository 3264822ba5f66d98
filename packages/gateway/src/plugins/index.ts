import type { AnyPluginDefinition } from '@pratu/plugin-kit'
import { acl } from './acl/plugin.ts'
import { aiLimits } from './ai-limits/plugin.ts'
import { correlationId } from './correlation-id/plugin.ts'
import { cors } from './cors/plugin.ts'
import { ipRestriction } from './ip-restriction/plugin.ts'
import { keyAuth } from './key-auth/plugin.ts'
import { prometheus } from './prometheus/plugin.ts'
import { proxyCache } from './proxy-cache/plugin.ts'
import { rateLimiting } from './rate-limiting/plugin.ts'
import { requestSizeLimiting } from './request-size-limiting/plugin.ts'
import { requestTermination } from './request-termination/plugin.ts'
import { requestTransformer } from './request-transformer/plugin.ts'
import { responseRateLimiting } from './response-ratelimiting/plugin.ts'

/** Every plugin that is part of the gateway; `runtime/` hands the list on. A new plugin is a folder and a line here. */
export const bundledPlugins: readonly AnyPluginDefinition[] = [
  acl,
  aiLimits,
  correlationId,
  cors,
  ipRestriction,
  keyAuth,
  prometheus,
  proxyCache,
  rateLimiting,
  requestSizeLimiting,
  requestTermination,
  requestTransformer,
  responseRateLimiting,
]
