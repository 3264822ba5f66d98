import { parseConfiguration } from '../../config/index.ts'
import { loadPlugins } from '../plugin-modules.ts'
import type { ReadingOrder, ReadingOutcome } from './reader-thread.ts'

/** Validates a configuration. @returns the outcome, and its buffers that need not be copied. */
export async function readAndPack(order: ReadingOrder): Promise<{
  readonly outcome: ReadingOutcome
  readonly moved: readonly ArrayBuffer[]
}> {
  const parsed = parseConfiguration(order.sources, {
    plugins: await loadPlugins(order.pluginModules),
    enabledPlugins: order.enabledPlugins,
    environment: order.environment,
    compatibility: order.compatibility,
    ...(order.limits === undefined ? {} : { limits: order.limits }),
  })
  if (!parsed.ok) return { outcome: { ok: false, problems: parsed.problems }, moved: [] }
  const pack = parsed.pack()
  const moved = [...pack.portions, pack.writtenConfigs].map(({ buffer }) => buffer)
  return { outcome: { ok: true, pack }, moved }
}
