/**
 * Randomness by counting: value number `index` of the sequence named by `seed` is a pure function of both, so that
 * nothing depends on the order in which requests happen to be answered.
 */

/** Mixes 32 bits so that neighbouring inputs give unrelated outputs (murmur3's finaliser). */
export function mix(value: number): number {
  let bits = value | 0
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b)
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35)
  return (bits ^ (bits >>> 16)) >>> 0
}

/** @returns an unsigned 32-bit number for the pair. */
export function draw(seed: number, index: number): number {
  return mix(mix(seed ^ 0x9e3779b9) ^ Math.imul(index + 1, 0x9e3779b1))
}

/** @returns a number in [0, 1) for the pair. */
export function drawUnit(seed: number, index: number): number {
  return draw(seed, index) / 4_294_967_296
}

/** FNV-1a over UTF-16 units, mixed. Texts of any length; not for secrets. */
export function hashText(text: string, seed = 0): number {
  let hash = (0x811c9dc5 ^ seed) | 0
  for (let i = 0; i < text.length; i += 1) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return mix(hash)
}
