import type { NodeSettings } from '../config/index.ts'
import { renderBareError, type ErrorCode } from '../errors/index.ts'
import type { MemoryBudget } from '../http/index.ts'
import {
  createListener,
  readOpenFilesLimit,
  type Listener,
  type RefusalPhase,
  type RefusedRequest,
  type RequestListener,
} from '../listener/index.ts'

export interface ProxyListenerDeps {
  readonly settings: NodeSettings
  /** How many serving threads share the process and the port. */
  readonly workers: number
  readonly memory: MemoryBudget
  readonly healthPaths: ReadonlySet<string>
  /** Of the configuration in use, asked for each request. */
  readonly compatibility: () => 'pratu' | 'kong'
  readonly onRefused: (
    code: ErrorCode,
    phase: RefusalPhase,
    request: RefusedRequest | undefined,
  ) => void
  readonly onDefect: (error: unknown) => void
  readonly onRequest: RequestListener
}

/** One proxy port of one serving thread; nothing is bound before `listen`. */
export function createProxyListener(deps: ProxyListenerDeps): Listener {
  const { settings, workers, memory, healthPaths, compatibility, onRefused, onDefect } = deps
  const openFiles = readOpenFilesLimit()
  return createListener(
    {
      limits: settings.limits,
      trustedIps: settings.trustedIps,
      realIpHeader: settings.realIpHeader,
      realIpRecursive: settings.realIpRecursive,
      get pathMode() {
        return compatibility() === 'kong' ? 'kong' : 'strict'
      },
      reusePort: workers > 1,
      memory,
      healthPaths,
      ...(openFiles === undefined
        ? {}
        : { openFiles: Math.floor(openFiles / workers / settings.proxyListen.length) }),
      renderRefusal: (error, requestId) =>
        renderBareError(error, requestId, {
          asNginx: compatibility() === 'kong' ? NO_CONTENT_TYPE : undefined,
        }),
      onRefused,
      onDefect,
    },
    deps.onRequest,
  )
}

/** What was refused was not read far enough to know its type. */
const NO_CONTENT_TYPE = { contentType: undefined }
