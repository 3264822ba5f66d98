import { AsyncLocalStorage } from 'node:async_hooks'

/**
 * Before Node.js 24 every promise of the process would pay for it; there a defect is logged without the request.
 */
const SUPPORTED = Number(process.versions.node.split('.')[0]) >= 24

const ids = SUPPORTED ? new AsyncLocalStorage<string>() : undefined

/** Runs what answers a request so that a defect, however late it is thrown, can be told from whom it came (F51). */
export function runAsRequest<A extends readonly unknown[]>(
  id: string,
  run: (...given: A) => void,
  ...given: A
): void {
  if (ids === undefined) run(...given)
  else ids.run(id, run, ...given)
}

/** The id of the request whose code is running: also in timers and promises that it started. */
export function currentRequestId(): string | undefined {
  return ids?.getStore()
}
