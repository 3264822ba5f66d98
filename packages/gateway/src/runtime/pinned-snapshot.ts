import type { BoundRoute, GatewayContext, Plan, Snapshot } from '../pipeline/index.ts'
import type { Router } from '../router/index.ts'

export interface SnapshotParts {
  readonly generation: number
  readonly router: Router<BoundRoute>
  readonly globals: Plan
  readonly compatibility: 'pratu' | 'kong'
  readonly context: GatewayContext
  /** Of its plugin instances. */
  readonly instanceIds: ReadonlySet<string>
  /** Header fields and query parameters that carry credentials with this configuration. */
  readonly secretNames: ReadonlySet<string>
  /** Called once, when the snapshot is retired and its last exchange has settled. */
  readonly dispose: () => void
}

/** Counts the exchanges that run on it, so that a retired configuration lives as long as its last stream. */
export class PinnedSnapshot implements Snapshot {
  readonly generation: number
  readonly router: Router<BoundRoute>
  readonly globals: Plan
  readonly compatibility: 'pratu' | 'kong'
  readonly context: GatewayContext
  readonly instanceIds: ReadonlySet<string>
  readonly secretNames: ReadonlySet<string>
  readonly #dispose: () => void
  #pins = 0
  #retired = false

  constructor(parts: SnapshotParts) {
    this.generation = parts.generation
    this.router = parts.router
    this.globals = parts.globals
    this.compatibility = parts.compatibility
    this.context = parts.context
    this.instanceIds = parts.instanceIds
    this.secretNames = parts.secretNames
    this.#dispose = parts.dispose
  }

  get pins(): number {
    return this.#pins
  }

  pin(): void {
    this.#pins++
  }

  unpin(): void {
    this.#pins--
    if (this.#retired && this.#pins === 0) this.#dispose()
  }

  /** No exchange will start on it any more. */
  retire(): void {
    if (this.#retired) return
    this.#retired = true
    if (this.#pins === 0) this.#dispose()
  }
}
