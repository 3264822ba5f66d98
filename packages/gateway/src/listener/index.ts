export { createListener } from './thin.ts'
export type { Listener, ListenerOptions, RefusalPhase, RequestListener } from './options.ts'
