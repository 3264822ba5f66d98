import type { AnyPluginDefinition } from '@pratu/plugin-kit'
import { unpackConfiguration } from '../../config/index.ts'
import type { PinnedSnapshot } from '../pinned-snapshot.ts'
import type { Serving } from '../serving.ts'
import type { Pulse, SharedState } from './shared-state.ts'

/** A worker's configurations that wait for the main thread to commit them. */
export class PreparedSnapshots {
  readonly #serving: Serving
  readonly #plugins: readonly AnyPluginDefinition[]
  readonly #state: SharedState
  readonly #pulse: Pulse
  readonly #waiting = new Map<number, PinnedSnapshot>()
  readonly #aborted = new Set<number>()

  constructor(
    serving: Serving,
    plugins: readonly AnyPluginDefinition[],
    state: SharedState,
    pulse: Pulse,
  ) {
    this.#serving = serving
    this.#plugins = plugins
    this.#state = state
    this.#pulse = pulse
  }

  /** @throws {Error} what makes the configuration unusable here; the main thread has validated it before. */
  async prepare(generation: number, portions: readonly Uint8Array[]): Promise<void> {
    const entities = await unpackConfiguration({ portions }, { plugins: this.#plugins })
    const snapshot = await this.#serving.prepare(entities, generation)
    if (this.#aborted.delete(generation)) {
      snapshot.retire()
      return
    }
    this.#waiting.set(generation, snapshot)
    this.adopt()
  }

  abort(generation: number): void {
    const snapshot = this.#waiting.get(generation)
    this.#waiting.delete(generation)
    if (snapshot === undefined) this.#aborted.add(generation)
    else snapshot.retire()
  }

  /** One atomic read a request: every worker switches at the same moment. */
  adopt(): void {
    const { generation } = this.#state
    if (generation === this.#serving.generation) return
    const snapshot = this.#waiting.get(generation)
    if (snapshot === undefined) return
    this.#serving.commit(snapshot)
    this.#pulse.generation = generation
    for (const [waiting, superseded] of this.#waiting) {
      if (waiting > generation) continue
      this.#waiting.delete(waiting)
      if (superseded !== snapshot) superseded.retire()
    }
  }
}
