/** Character classes of RFC 9110 §5.6.2 and §5.5, indexed by char code below 256; everything else is 0. */

function classOf(accepts: (code: number) => boolean): Uint8Array {
  const table = new Uint8Array(256)
  for (let code = 0; code < 256; code++) if (accepts(code)) table[code] = 1
  return table
}

function isAlphanumeric(code: number): boolean {
  return (
    (code >= 0x30 && code <= 0x39) ||
    (code >= 0x41 && code <= 0x5a) ||
    (code >= 0x61 && code <= 0x7a)
  )
}

/** `tchar`: what methods and field names are made of. */
export const TOKEN: Uint8Array = classOf(
  (code) => isAlphanumeric(code) || "!#$%&'*+-.^_`|~".includes(String.fromCharCode(code)),
)

/** What a field value may hold: HTAB, SP, visible ASCII and obs-text; no other control character (S20). */
export const FIELD_VALUE: Uint8Array = classOf(
  (code) => code === 0x09 || (code >= 0x20 && code !== 0x7f),
)

/** RFC 3986 `unreserved`: never needs an escape. */
export const UNRESERVED: Uint8Array = classOf(
  (code) =>
    isAlphanumeric(code) || code === 0x2d || code === 0x2e || code === 0x5f || code === 0x7e,
)

/** Value of a hexadecimal digit by char code, plus one; 0 for anything else. */
export const HEX_DIGIT: Uint8Array = (() => {
  const table = new Uint8Array(256)
  for (let digit = 0; digit < 16; digit++) {
    const text = digit.toString(16)
    table[text.charCodeAt(0)] = digit + 1
    table[text.toUpperCase().charCodeAt(0)] = digit + 1
  }
  return table
})()

// Texts of many makes come here (slices, concatenations, constants), and V8 reads each of them in another way: a loop over
// `charCodeAt` costs some 15 ns per character then, a compiled expression one.
const TOKEN_TEXT = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
const FIELD_VALUE_TEXT = /^[\t\x20-\x7e\x80-\xff]*$/

/** Whether `text` is a field name: one or more `tchar`. */
export function isToken(text: string): boolean {
  return TOKEN_TEXT.test(text)
}

/** Whether `text` may stand in a field value as it is. */
export function isFieldValue(text: string): boolean {
  return FIELD_VALUE_TEXT.test(text)
}
