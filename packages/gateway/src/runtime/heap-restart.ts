import { NodeSettingsError, readHostFacts, readNodeSettings } from '../config/index.ts'
import { planHeaps } from './memory-plan.ts'

/** Whoever sets a size of V8 by hand has decided. Both spellings of V8 count. */
const SIZED = /--max[-_](?:old[-_]space|heap|semi[-_]space)[-_]size/

/** Of a process; `process` itself but for tests. */
export interface HeapRestartGiven {
  readonly execPath: string
  readonly execArgv: readonly string[]
  readonly argv: readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
}

/**
 * V8 takes the size of its heap only at the start of a process, and by itself it knows neither of our caches nor of a
 * container's memory request (F52).
 *
 * @returns the arguments to start this program again with a heap of the right size, `argv[0]` first; `undefined` when
 *   it has one, when there is nothing to size it by, or when the settings are wrong, which the start will tell.
 */
export function heapRestart(given: HeapRestartGiven): readonly string[] | undefined {
  const { execPath, execArgv, argv, env } = given
  if (SIZED.test(`${execArgv.join(' ')} ${env['NODE_OPTIONS'] ?? ''}`)) return undefined
  const plan = planOf(argv, env)
  if (plan === undefined) return undefined
  const flags = [`--max-old-space-size=${plan.oldMb}`, `--max-semi-space-size=${plan.semiSpaceMb}`]
  return [execPath, ...execArgv, ...flags, ...argv.slice(1)]
}

function planOf(argv: readonly string[], env: HeapRestartGiven['env']) {
  try {
    const { settings } = readNodeSettings({ workers: workersFlag(argv) }, env, readHostFacts())
    return planHeaps(settings.memory, settings.workers)
  } catch (error) {
    if (error instanceof NodeSettingsError) return undefined
    throw error
  }
}

/** The one flag that the plan depends on. */
function workersFlag(argv: readonly string[]): string | undefined {
  for (const [index, argument] of argv.entries()) {
    if (argument === '--workers' || argument === '-w') return argv[index + 1]
    if (argument.startsWith('--workers=')) return argument.slice('--workers='.length)
  }
  return undefined
}
