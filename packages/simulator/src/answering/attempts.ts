import { hashText } from '../text/random.ts'

/** Requests remembered; the oldest is forgotten first. */
const MAX_REMEMBERED = 10_000

/** Counts how often the same request has come, so that a fault can hit its first attempts only. */
export class Attempts {
  readonly #counts = new Map<string, number>()

  /**
   * @param nonce what the client calls the request; without one, equal bodies on equal paths are one request.
   * @returns which attempt this is, from 1.
   */
  count(nonce: string | undefined, path: string, body: Buffer): number {
    const key = nonce ?? `${path} ${hashText(body.toString('latin1'))} ${body.length}`
    const attempt = (this.#counts.get(key) ?? 0) + 1
    this.#counts.delete(key)
    this.#counts.set(key, attempt)
    if (this.#counts.size > MAX_REMEMBERED) {
      for (const oldest of this.#counts.keys()) {
        this.#counts.delete(oldest)
        break
      }
    }
    return attempt
  }

  clear(): void {
    this.#counts.clear()
  }
}
