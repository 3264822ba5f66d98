// All that goes upstream as it is (kong.md §2.7); `%` is in it because the path's own escapes stay.
const PLAIN = plainTable("!#$&'()*+,/:;=?@[]-_.~%")

function plainTable(punctuation: string): Uint8Array {
  const letters = 'abcdefghijklmnopqrstuvwxyz'
  const table = new Uint8Array(128)
  for (const character of `${punctuation}${letters}${letters.toUpperCase()}0123456789`) {
    table[character.charCodeAt(0)] = 1
  }
  return table
}

// See `isToken` for why the whole path is not simply looped over.
const PLAIN_TEXT = /^[!#-;=?-[\]_a-z~]*$/

/** Percent-encodes what may not stand in a request target. Returns the same string when there is nothing to do. */
export function escapePath(path: string): string {
  if (PLAIN_TEXT.test(path)) return path
  for (let i = 0; i < path.length; i += 1) {
    if (PLAIN[path.charCodeAt(i)] !== 1) return escapeFrom(path, i)
  }
  return path
}

function escapeFrom(path: string, start: number): string {
  let escaped = path.slice(0, start)
  for (const character of path.slice(start)) {
    if (PLAIN[character.charCodeAt(0)] === 1) escaped += character
    else for (const byte of Buffer.from(character)) escaped += percent(byte)
  }
  return escaped
}

/** `%` and two upper-case hexadecimal digits. */
export function percent(byte: number): string {
  return `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
}
