export { probeAddress } from './address-probe.ts'
export { readOpenFilesLimit } from './open-files.ts'
export type {
  Listener,
  ListenerOptions,
  RefusalPhase,
  RefusedRequest,
  RequestListener,
} from './options.ts'
export { createListener } from './server.ts'
