import type { BodyFilter, CacheLifetime, CacheWriter } from '@pratu/plugin-kit'

/** Copies a body into the cache while it passes, without holding a byte back; stores it only when it is complete. */
export class Capture implements BodyFilter {
  readonly transparent = true
  readonly #writer: CacheWriter
  readonly #lifetime: CacheLifetime

  constructor(writer: CacheWriter, lifetime: CacheLifetime) {
    this.#writer = writer
    this.#lifetime = lifetime
  }

  write(chunk: Uint8Array): Uint8Array {
    // `false` = too large to store; the writer has let go, and the answer passes uncached.
    this.#writer.write(chunk)
    return chunk
  }

  end(): undefined {
    this.#writer.commit(this.#lifetime)
  }

  abandon(): void {
    this.#writer.abandon()
  }
}
