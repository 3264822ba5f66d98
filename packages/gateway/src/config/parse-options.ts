import type { AnyPluginDefinition } from '@pratu/plugin-kit'

import type { DocumentLimits } from './document.ts'

export interface ParseOptions {
  readonly plugins: readonly AnyPluginDefinition[]
  /** Kong names that are loaded; `bundled` in the list stands for all of Kong's. */
  readonly enabledPlugins: 'bundled' | readonly string[]
  readonly environment: Readonly<Record<string, string | undefined>>
  /** The node's choice; the file's own `compatibility` wins. */
  readonly compatibility?: 'pratu' | 'kong'
  readonly limits?: Partial<DocumentLimits>
  /** For expiry dates of certificates and credentials; now unless given. */
  readonly nowMs?: number
}
