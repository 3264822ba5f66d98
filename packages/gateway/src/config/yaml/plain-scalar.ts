/**
 * What an unquoted scalar means, by the YAML 1.1 rules that Kong's reader keeps (kong.md §1.1): three spellings of each
 * boolean word, leading-zero octals, sexagesimal numbers, underscores in numbers. No timestamps, no `y`/`n`.
 */
export function resolvePlainScalar(text: string): string | number | boolean | null {
  const first = text.charCodeAt(0)
  // Most scalars of a configuration are words: only what can be a number, a boolean or null is looked at closer.
  if (isNumberStart(first)) return resolveNumber(text)
  if (text.length > 5) return text
  return WORDS.has(text) ? (WORDS.get(text) ?? null) : text
}

const WORDS: ReadonlyMap<string, boolean | null> = new Map([
  ['', null],
  ['~', null],
  ...spellings('null', null),
  ...spellings('true', true),
  ...spellings('yes', true),
  ...spellings('on', true),
  ...spellings('false', false),
  ...spellings('no', false),
  ...spellings('off', false),
])

function spellings<V>(word: string, value: V): [string, V][] {
  const capitalised = word.charAt(0).toUpperCase() + word.slice(1)
  return [
    [word, value],
    [capitalised, value],
    [word.toUpperCase(), value],
  ]
}

function isNumberStart(code: number): boolean {
  return (code >= 48 && code <= 57) || code === 43 || code === 45 || code === 46
}

const DECIMAL = /^[-+]?(?:0|[1-9][0-9_]*)$/
const OCTAL = /^([-+]?)0([0-7_]+)$/
const HEXADECIMAL = /^([-+]?)0x([0-9a-fA-F_]+)$/
const BINARY = /^([-+]?)0b([01_]+)$/
const SEXAGESIMAL = /^([-+]?)([1-9][0-9_]*(?::[0-5]?[0-9])+)$/
const FLOAT = /^[-+]?(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9_]+|[0-9][0-9_]*(?=[eE]))(?:[eE][-+]?[0-9]+)?$/
const INFINITY = /^([-+]?)\.(?:inf|Inf|INF)$/
const NOT_A_NUMBER = /^\.(?:nan|NaN|NAN)$/

function resolveNumber(text: string): string | number {
  if (DECIMAL.test(text)) return Number(text.replaceAll('_', ''))
  const octal = OCTAL.exec(text)
  if (octal !== null) return signed(octal[1], radix(octal[2], 8), text)
  const hexadecimal = HEXADECIMAL.exec(text)
  if (hexadecimal !== null) return signed(hexadecimal[1], radix(hexadecimal[2], 16), text)
  const binary = BINARY.exec(text)
  if (binary !== null) return signed(binary[1], radix(binary[2], 2), text)
  const sexagesimal = SEXAGESIMAL.exec(text)
  if (sexagesimal !== null) return signed(sexagesimal[1], baseSixty(sexagesimal[2] ?? ''), text)
  if (FLOAT.test(text)) {
    const value = Number(text.replaceAll('_', ''))
    return Number.isNaN(value) ? text : value
  }
  const infinity = INFINITY.exec(text)
  if (infinity !== null) return infinity[1] === '-' ? -Infinity : Infinity
  return NOT_A_NUMBER.test(text) ? Number.NaN : text
}

function radix(digits: string | undefined, base: number): number {
  return Number.parseInt((digits ?? '').replaceAll('_', ''), base)
}

function baseSixty(digits: string): number {
  return digits
    .replaceAll('_', '')
    .split(':')
    .reduce((total, part) => total * 60 + Number(part), 0)
}

function signed(sign: string | undefined, magnitude: number, text: string): number | string {
  if (Number.isNaN(magnitude)) return text
  return sign === '-' ? -magnitude : magnitude
}
