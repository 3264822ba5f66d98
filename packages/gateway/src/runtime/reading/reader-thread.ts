import { Worker } from 'node:worker_threads'
import type {
  ConfigurationPack,
  ConfigurationSource,
  Diagnostic,
  NodeSettings,
} from '../../config/index.ts'
import { readerHeapMb } from '../memory-plan.ts'

/** What a reader thread starts with; plain data. */
export interface ReadingOrder {
  readonly sources: readonly ConfigurationSource[]
  readonly pluginModules: readonly string[]
  readonly enabledPlugins: NodeSettings['plugins']
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly compatibility: NodeSettings['compatibility']
  readonly limits: NodeSettings['configurationLimits']
}

/** What it ends with. */
export type ReadingOutcome =
  | { readonly ok: true; readonly pack: ConfigurationPack }
  | { readonly ok: false; readonly problems: readonly Diagnostic[] }

/** The thread could not read to its end; the message says why, and what to do. */
export class ReaderThreadFailed extends Error {
  override readonly name = 'ReaderThreadFailed'
}

/** More than the largest configuration takes on a slow machine. */
const LONGEST_MS = 60_000

/**
 * Validates a configuration in a thread that lives no longer than that: its garbage goes with it.
 *
 * @throws {ReaderThreadFailed} when the thread runs out of memory or time, or dies.
 */
export function readInThread(given: {
  readonly sources: readonly ConfigurationSource[]
  readonly settings: NodeSettings
  readonly environment: Readonly<Record<string, string | undefined>>
}): Promise<ReadingOutcome> {
  const { sources, settings, environment } = given
  const order: ReadingOrder = {
    sources,
    pluginModules: settings.pluginModules,
    enabledPlugins: settings.plugins,
    environment,
    compatibility: settings.compatibility,
    limits: settings.configurationLimits,
  }
  const heapMb = readerHeapMb(settings.memory)
  // The compiler does not rewrite this path: in the package the entry ends in .js.
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
  const thread = new Worker(new URL(`./reader.${extension}`, import.meta.url), {
    name: 'pratu-configuration-reader',
    workerData: order,
    resourceLimits: heapMb === undefined ? {} : { maxOldGenerationSizeMb: heapMb },
  })
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(new ReaderThreadFailed(`the configuration could not be read in ${LONGEST_MS} ms`))
      void thread.terminate()
    }, LONGEST_MS)
    const end = (): void => clearTimeout(timer)
    thread.once('message', (message: unknown) => {
      end()
      // Only `reader.ts` runs there, and this is the one message that it sends.
      resolve(message as ReadingOutcome)
    })
    thread.once('error', (error) => {
      end()
      reject(new ReaderThreadFailed(reasonOf(error, heapMb), { cause: error }))
    })
    thread.once('exit', (code) => {
      end()
      reject(new ReaderThreadFailed(`the thread that read the configuration ended with ${code}`))
    })
  })
}

function reasonOf(error: unknown, heapMb: number | undefined): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  if (code === 'ERR_WORKER_OUT_OF_MEMORY')
    return `reading the configuration takes more than ${heapMb ?? 'the available'} MB of memory; give the container more, or split the configuration`
  return `the configuration could not be read: ${error instanceof Error ? error.message : String(error)}`
}
