import type { AnyPluginDefinition } from '@pratu/plugin-kit'
import { keyAuth } from './key-auth/plugin.ts'
import { proxyCache } from './proxy-cache/plugin.ts'

/** Every plugin that is part of the gateway; `runtime/` hands the list on. A new plugin is a folder and a line here. */
export const bundledPlugins: readonly AnyPluginDefinition[] = [keyAuth, proxyCache]
