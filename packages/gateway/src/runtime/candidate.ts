import type { ConfigurationSource, Entities } from '../config/index.ts'

/** A validated configuration on its way to the serving threads. */
export interface Candidate {
  readonly generation: number
  /** Workers parse it anew: plugin configurations and secrets do not travel between threads. */
  readonly sources: readonly ConfigurationSource[]
  readonly entities: Entities
}
