/** A 64-bit hash as two signed 32-bit halves; written into, so that hashing allocates nothing. */
export interface Hash64 {
  low: number
  high: number
}

/**
 * HalfSipHash with a 64-bit key and a 64-bit result (Aumasson and Bernstein, https://github.com/veorq/SipHash) over the
 * UTF-16 code units of a text, least significant byte first.
 *
 * Keyed, because what is hashed comes from clients: without the key nobody can search for a text whose hash equals
 * another's. Two given texts agree by chance with probability 2⁻⁶⁴.
 */
export class HalfSipHash {
  readonly #key0: number
  readonly #key1: number
  readonly #wordRounds: number
  readonly #finalRounds: number

  /** @param rounds Per word and at the end; 1-3 suits hash tables. */
  constructor(key0: number, key1: number, rounds: readonly [word: number, final: number] = [1, 3]) {
    this.#key0 = key0 | 0
    this.#key1 = key1 | 0
    ;[this.#wordRounds, this.#finalRounds] = rounds
  }

  hash(text: string, into: Hash64): void {
    const units = text.length
    const wholeWords = units >> 1
    const finalRounds = this.#finalRounds
    let rounds = this.#wordRounds
    let v0 = this.#key0
    let v1 = this.#key1 ^ 0xee
    let v2 = 0x6c796765 ^ this.#key0
    let v3 = 0x74656462 ^ this.#key1
    // One loop for all stages: the whole words, the word with the length, and the two final stages.
    for (let step = 0; step <= wholeWords + 2; step++) {
      let word = 0
      if (step < wholeWords) {
        word = text.charCodeAt(2 * step) | (text.charCodeAt(2 * step + 1) << 16)
      } else if (step === wholeWords) {
        word = ((2 * units) << 24) | (units & 1 ? text.charCodeAt(units - 1) : 0)
      } else if (step === wholeWords + 1) {
        v2 ^= 0xee
        rounds = finalRounds
      } else {
        into.low = v1 ^ v3
        v1 ^= 0xdd
      }
      v3 ^= word
      for (let round = 0; round < rounds; round++) {
        v0 = (v0 + v1) | 0
        v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0
        v0 = (v0 << 16) | (v0 >>> 16)
        v2 = (v2 + v3) | 0
        v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2
        v0 = (v0 + v3) | 0
        v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0
        v2 = (v2 + v1) | 0
        v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2
        v2 = (v2 << 16) | (v2 >>> 16)
      }
      v0 ^= word
    }
    into.high = v1 ^ v3
  }
}
