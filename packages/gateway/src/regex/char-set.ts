/** Whether a code point belongs to a set. */
export type Membership = (codePoint: number) => boolean

/** The code points that one position of a match accepts. */
export interface CharSet {
  readonly has: Membership
  /** The one code point that it accepts, when there is exactly one by construction. */
  readonly only: number | undefined
}

const ASCII_SIZE = 128

const literals: (CharSet | undefined)[] = []

/** Exactly one code point. The ASCII ones are shared: a large configuration is full of them. */
export function literal(codePoint: number): CharSet {
  if (codePoint >= ASCII_SIZE) return createLiteral(codePoint)
  return (literals[codePoint] ??= createLiteral(codePoint))
}

function createLiteral(only: number): CharSet {
  return { has: (codePoint) => codePoint === only, only }
}

export function charSet(has: Membership): CharSet {
  return { has, only: undefined }
}

export function not(has: Membership): Membership {
  return (codePoint) => !has(codePoint)
}

export function range(low: number, high: number): Membership {
  return (codePoint) => codePoint >= low && codePoint <= high
}

export function anyOf(members: readonly Membership[]): Membership {
  const [first, second] = members
  if (first !== undefined && second === undefined) return first
  return (codePoint) => members.some((has) => has(codePoint))
}

/** The same set without regard to case, by simple case folding. */
export function ignoringCase(has: Membership): Membership {
  return (codePoint) => has(codePoint) || caseVariants(codePoint).some(has)
}

/** Whether another code point differs from this one by case alone. */
export function hasCase(codePoint: number): boolean {
  return caseVariants(codePoint).some((variant) => variant !== codePoint)
}

const LONG_S = 0x17f
const KELVIN = 0x212a

function caseVariants(codePoint: number): readonly number[] {
  if (codePoint < ASCII_SIZE) return asciiCaseVariants(codePoint)
  if (codePoint === LONG_S) return [0x73, 0x53]
  if (codePoint === KELVIN) return [0x6b, 0x4b]
  const text = String.fromCodePoint(codePoint)
  const upper = text.toUpperCase()
  const variants = [text.toLowerCase(), upper, upper.toLowerCase()]
  return variants.map(singleCodePoint).filter((variant) => variant >= 0)
}

function asciiCaseVariants(codePoint: number): readonly number[] {
  const lower = codePoint | 0x20
  if (lower < 0x61 || lower > 0x7a) return []
  // Two signs beyond ASCII fold to these letters.
  if (lower === 0x73) return [0x73, 0x53, LONG_S]
  if (lower === 0x6b) return [0x6b, 0x4b, KELVIN]
  return [lower, codePoint & ~0x20]
}

// Full case mapping may give several characters ("ß" to "SS"); simple folding knows none of those.
function singleCodePoint(text: string): number {
  const codePoint = text.codePointAt(0) ?? -1
  return String.fromCodePoint(Math.max(codePoint, 0)) === text ? codePoint : -1
}

function property(source: string): Membership {
  const pattern = new RegExp(`^[${source}]$`, 'u')
  return (codePoint) => pattern.test(String.fromCodePoint(codePoint))
}

export const isAsciiDigit = range(0x30, 0x39)
export const isAsciiWord: Membership = (codePoint) =>
  (codePoint >= 0x61 && codePoint <= 0x7a) ||
  (codePoint >= 0x41 && codePoint <= 0x5a) ||
  (codePoint >= 0x30 && codePoint <= 0x39) ||
  codePoint === 0x5f
export const isAsciiSpace: Membership = (codePoint) =>
  codePoint === 0x20 || (codePoint >= 0x09 && codePoint <= 0x0d)

/** ASCII is answered without asking for properties, as nearly every path is ASCII. */
function beyondAscii(ascii: Membership, beyond: Membership): Membership {
  return (codePoint) => (codePoint < ASCII_SIZE ? ascii(codePoint) : beyond(codePoint))
}

// The definitions of UTS #18, annex C, which the `regex` crate follows.
export const isDigit = beyondAscii(isAsciiDigit, property('\\p{Nd}'))
export const isWord = beyondAscii(
  isAsciiWord,
  property('\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\p{Join_Control}'),
)
export const isSpace = beyondAscii(isAsciiSpace, property('\\p{White_Space}'))

/**
 * A Unicode property by the names the `regex` crate takes: a general category (`L`, `Letter`), a script (`Greek`,
 * `sc=Greek`) or a binary property (`Alphabetic`). `undefined` when there is none of that name.
 */
export function unicodeProperty(name: string): Membership | undefined {
  const [key, value] = name.split(/[=:]/, 2)
  const candidates =
    value === undefined || key === undefined
      ? spellings(name).flatMap((spelling) => [spelling, `Script=${spelling}`])
      : spellings(value).map((spelling) => `${key.trim()}=${spelling}`)
  for (const candidate of candidates) {
    try {
      return property(`\\p{${candidate}}`)
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error
    }
  }
  return undefined
}

// The crate compares names loosely; the platform wants the canonical spelling.
function spellings(name: string): readonly string[] {
  const words = name.trim().split(/[\s_-]+/)
  const title = words.map((word) => word.slice(0, 1).toUpperCase() + word.slice(1).toLowerCase())
  return [...new Set([name.trim(), title.join('_'), name.trim().toUpperCase()])]
}

const POSIX = new Map<string, Membership>([
  ['alnum', (c) => isAsciiWord(c) && c !== 0x5f],
  ['alpha', (c) => isAsciiWord(c) && c !== 0x5f && !isAsciiDigit(c)],
  ['ascii', range(0, 0x7f)],
  ['blank', (c) => c === 0x20 || c === 0x09],
  ['cntrl', (c) => c < 0x20 || c === 0x7f],
  ['digit', isAsciiDigit],
  ['graph', range(0x21, 0x7e)],
  ['lower', range(0x61, 0x7a)],
  ['print', range(0x20, 0x7e)],
  ['punct', (c) => c > 0x20 && c < 0x7f && (!isAsciiWord(c) || c === 0x5f)],
  ['space', isAsciiSpace],
  ['upper', range(0x41, 0x5a)],
  ['word', isAsciiWord],
  ['xdigit', (c) => isAsciiDigit(c) || (c >= 0x41 && c <= 0x46) || (c >= 0x61 && c <= 0x66)],
])

/** The set of `[:name:]`, or `undefined`. */
export function posixClass(name: string): Membership | undefined {
  return POSIX.get(name)
}
