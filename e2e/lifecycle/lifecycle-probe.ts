/** A plugin module for tests: counts its instances, and does harm where a request asks for it. */
import { definePlugin } from '@pratu/plugin-kit'

/** Instances made and let go in this thread, by generation of nothing but their order. */
export interface ProbeCounts {
  created: number
  disposed: number
}

declare global {
  var lifecycleProbe: ProbeCounts | undefined
}

export function probeCounts(): ProbeCounts {
  return (globalThis.lifecycleProbe ??= { created: 0, disposed: 0 })
}

interface ProbeConfig {
  /** `create` throws. */
  readonly refuse: boolean
  /** Only in workers: the main thread's validation cannot see it. */
  readonly refuseInWorker: number | undefined
}

const schema = {
  '~standard': {
    version: 1 as const,
    vendor: 'lifecycle-probe',
    validate: (value: unknown) => {
      const given = typeof value === 'object' && value !== null ? value : {}
      const config: ProbeConfig = {
        refuse: 'refuse' in given && given.refuse === true,
        refuseInWorker:
          'refuse_in_worker' in given && typeof given.refuse_in_worker === 'number'
            ? given.refuse_in_worker
            : undefined,
      }
      return { value: config }
    },
  },
}

/** What the header `x-harm` of a request brings about. */
const HARMS: Readonly<Record<string, () => void>> = {
  throw: () => {
    setTimeout(() => {
      throw new Error('harm: thrown in a timer')
    }, 1)
  },
  reject: () => {
    void Promise.reject(new Error('harm: rejected'))
  },
  exhaust: () => {
    const kept: unknown[] = []
    for (;;) kept.push(Array.from({ length: 10_000 }, (_, index) => ({ index })))
  },
  stick: () => {
    for (;;) Math.sqrt(2)
  },
}

export const lifecycleProbe = definePlugin<ProbeConfig>({
  name: 'lifecycle-probe',
  priority: 5000,
  schema,
  create({ refuse, refuseInWorker }, { node }) {
    if (refuse) throw new Error('the probe refuses')
    if (refuseInWorker === node.worker && node.workers > 1) {
      throw new Error(`the probe refuses in worker ${node.worker}`)
    }
    const counts = probeCounts()
    counts.created++
    return {
      async access(exchange) {
        const harm = exchange.request.headers.get('x-harm')
        const hold = exchange.request.headers.get('x-hold')
        if (harm !== undefined) HARMS[harm]?.()
        // Answers late, so that the request is under way while the harm happens.
        if (hold !== undefined) await new Promise((resolve) => setTimeout(resolve, Number(hold)))
        return undefined
      },
      responseHeaders(_exchange, head) {
        head.headers.set('X-Worker', String(node.worker))
      },
      dispose() {
        counts.disposed++
      },
    }
  },
})
