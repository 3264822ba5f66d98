import type { RequestFacts } from '../../ai/index.ts'

const MAX_ENTRIES = 8_192

/**
 * What bodies mean, by the digest of their bytes: to parse, sort and write a body again costs several times the look-up of
 * its answer (architecture §10). The oldest goes first.
 */
export class FactsMemo {
  readonly #facts = new Map<string, RequestFacts | undefined>()

  read(digest: string, find: () => RequestFacts | undefined): RequestFacts | undefined {
    const known = this.#facts.get(digest)
    if (known !== undefined || this.#facts.has(digest)) return known
    const facts = find()
    if (this.#facts.size >= MAX_ENTRIES) {
      const [oldest] = this.#facts.keys()
      if (oldest !== undefined) this.#facts.delete(oldest)
    }
    this.#facts.set(digest, facts)
    return facts
  }
}
