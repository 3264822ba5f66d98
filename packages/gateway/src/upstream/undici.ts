/**
 * The two parts of undici that this room stands on. Its front door also loads fetch, caches, WebSockets and mocks, which
 * cost every gateway 15 MB and a tenth of its start; the package has no `exports`, so its files are open to us. The version
 * is pinned, and the tests of this room hold what we rely on.
 */
import { createRequire } from 'node:module'
import type * as Undici from 'undici'

const load = createRequire(import.meta.url)

export const Client: typeof Undici.Client = load('undici/lib/dispatcher/client.js')
export const errors: typeof Undici.errors = load('undici/lib/core/errors.js')
