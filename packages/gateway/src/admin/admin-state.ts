import type { CachedResponse } from '@pratu/plugin-kit'
import type { CacheLabels } from '../cache/index.ts'
import type { Diagnostic, Entities } from '../config/index.ts'

/** A configuration in use. */
export interface AppliedConfiguration {
  readonly generation: number
  /** Lower-case hex MD5 of its text: Kong's `configuration_hash`. */
  readonly hash: string
  readonly entities: Entities
  readonly appliedAtMs: number
  /** A plugin's `config` as it was written, references unresolved; `undefined` when it has none. */
  readonly writtenConfig: (pluginId: string) => unknown
}

/** Why the last attempt to change the configuration failed; the one before serves on. */
export interface RefusedConfiguration {
  /** When newer configurations began to be refused, epoch ms. */
  readonly atMs: number
  /** What asked for it: `file`, `admin`, … */
  readonly origin: string
  readonly message: string
  readonly problems: readonly Diagnostic[]
}

/** What the admin room needs to know of the process, asked at every request. */
export interface AdminState {
  /** `undefined` before the first. */
  current(): AppliedConfiguration | undefined
  /** `undefined` after a success. */
  failure(): RefusedConfiguration | undefined
  /** Whether a configuration is being applied right now. */
  applying(): boolean
  /** Whether the process is going down. */
  draining(): boolean
  /** Whether an administrator has sent load balancers elsewhere, while the process goes on. */
  withdrawn(): boolean
  /** Whether a Redis is away without which this node is not to be ready. */
  storeAway(): boolean
  /** Serving threads, and the generation that each is on. */
  workers(): readonly WorkerState[]
}

export interface WorkerState {
  readonly worker: number
  readonly generation: number
}

export type ConfigurationResult =
  | { readonly ok: true; readonly applied: AppliedConfiguration }
  | { readonly ok: false; readonly failure: RefusedConfiguration }

/** A configuration without anything in it, which Kong never calls ready (kong.md §4.5). */
export function isEmptyConfiguration(entities: Entities): boolean {
  return (
    entities.services.length === 0 &&
    entities.routes.length === 0 &&
    entities.consumers.length === 0 &&
    entities.plugins.length === 0 &&
    entities.upstreams.length === 0
  )
}

/** The answers that all workers keep; owners are ids of plugin instances. */
export interface CacheAdministration {
  /** Any worker's; each has entries of its own. */
  read(owner: string, key: string): Promise<CachedResponse | undefined>
  /** @returns whether any worker had it. */
  remove(owner: string, key: string): Promise<boolean>
  /** @param labels only answers that carry all of them. */
  purge(owners: readonly string[], labels?: CacheLabels): Promise<void>
}
