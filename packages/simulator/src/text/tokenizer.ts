/**
 * The simulator's tokenizer: a rule that anyone can apply by hand, so that usage can be checked against the text.
 *
 * A token is, at each place, the longest of:
 * - one optional space, then up to 12 ASCII letters;
 * - one optional space, then up to 3 digits;
 * - up to 2 letters or marks outside ASCII (Thai, CJK, accents), surrogate pairs kept whole;
 * - one run of white space;
 * - any other single character.
 * Joining the tokens gives the text back.
 */
const MAX_LETTERS = 12
const MAX_DIGITS = 3
const MAX_OTHER_LETTERS = 2

function isLetter(code: number): boolean {
  return (code >= 97 && code <= 122) || (code >= 65 && code <= 90)
}

function isDigit(code: number): boolean {
  return code >= 48 && code <= 57
}

function isSpace(code: number): boolean {
  return code === 32 || (code >= 9 && code <= 13)
}

function runEnd(
  text: string,
  from: number,
  limit: number,
  belongs: (code: number) => boolean,
): number {
  let end = from
  while (end < text.length && end - from < limit && belongs(text.charCodeAt(end))) end += 1
  return end
}

function otherLettersEnd(text: string, from: number): number {
  let end = from
  for (let taken = 0; taken < MAX_OTHER_LETTERS && end < text.length; taken += 1) {
    const point = text.codePointAt(end) ?? 0
    if (point < 128) break
    end += point > 0xffff ? 2 : 1
  }
  return end
}

/** @returns where the token that starts at `from` ends; `from` is below `text.length`. */
function tokenEnd(text: string, from: number): number {
  const code = text.charCodeAt(from)
  const start = code === 32 ? from + 1 : from
  const next = start < text.length ? text.charCodeAt(start) : 0
  if (isLetter(next)) return runEnd(text, start, MAX_LETTERS, isLetter)
  if (isDigit(next)) return runEnd(text, start, MAX_DIGITS, isDigit)
  if (isSpace(code)) return runEnd(text, from, text.length, isSpace)
  if (code >= 128) return otherLettersEnd(text, from)
  return from + 1
}

export function countTokens(text: string): number {
  let count = 0
  for (let at = 0; at < text.length; at = tokenEnd(text, at)) count += 1
  return count
}

export function splitTokens(text: string): string[] {
  const tokens: string[] = []
  for (let at = 0; at < text.length;) {
    const end = tokenEnd(text, at)
    tokens.push(text.slice(at, end))
    at = end
  }
  return tokens
}
