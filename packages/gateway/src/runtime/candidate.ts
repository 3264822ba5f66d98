import type { Entities } from '../config/index.ts'

/** A validated configuration on its way to the serving threads. */
export interface Candidate {
  readonly generation: number
  readonly entities: Entities
  /** The same for other threads: see `unpackConfiguration`. */
  readonly portions: () => readonly Uint8Array[]
}
