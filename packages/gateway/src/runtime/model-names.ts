import type { MeteredUsage } from '../ai/index.ts'

/** More models than one gateway sees in earnest; it bounds what a client can add to the metrics (S46). */
const MAX_MODELS = 200

/**
 * The model names that may be label values. On a plain service the configuration names none, so a name counts once its
 * provider has answered a request for it with usage of its own: an invented one never does.
 */
export class ModelNames {
  readonly #names = new Set<string>()

  /** The live set. */
  get names(): ReadonlySet<string> {
    return this.#names
  }

  seen({ model, usage }: MeteredUsage, upstreamStatus: number | undefined): void {
    if (model === undefined || usage.source !== 'provider' || upstreamStatus !== 200) return
    if (this.#names.size < MAX_MODELS && model.length <= 128) this.#names.add(model)
  }
}
