import type { Excerpt, Path, Problem } from './diagnostics.ts'
import { excerptOf } from './excerpt.ts'
import { findJsonError } from './json-error.ts'
import type { ConfigurationSource } from './source.ts'
import { parseFastYaml, UNUSUAL } from './yaml/fast-yaml.ts'
import {
  type PositionedYaml,
  readPositionedYaml,
  type TextProblem,
} from './yaml/positioned-yaml.ts'
import { REFUSED_KEYS } from './yaml/refused-keys.ts'

export interface DocumentLimits {
  /** Of all sources together. */
  readonly maxBytes: number
  /** Values that aliases may add to the document in all. */
  readonly maxAliases: number
  readonly maxDepth: number
}

/** Generous for a gateway's own file, small enough that the worst accepted text cannot hurt the process (F55). */
export const DEFAULT_DOCUMENT_LIMITS: DocumentLimits = {
  maxBytes: 8 * 1024 * 1024,
  maxAliases: 200_000,
  maxDepth: 64,
}

/** A problem with its place in the text. */
export interface PlacedProblem extends Problem {
  readonly file: string
  readonly line: number
  readonly column: number
  readonly excerpt: Excerpt | undefined
  /** The path inside that file. */
  readonly localPath: Path
}

export type RawRecord = Readonly<Record<string, unknown>>

/** The merged text of all sources, unvalidated. */
export interface Document {
  readonly root: RawRecord
  readonly problems: readonly PlacedProblem[]
  /** Finds a problem's place; reads the text again with positions when it was read without. */
  place(problem: Problem): PlacedProblem
}

/** Reads and merges the sources: lists of several files are joined, other fields must not contradict. */
export function readDocument(
  sources: readonly ConfigurationSource[],
  limits: DocumentLimits = DEFAULT_DOCUMENT_LIMITS,
): Document {
  const tooBig = findOversized(sources, limits)
  if (tooBig !== undefined) return { root: {}, problems: [tooBig], place: placeNowhere }
  const texts = sources.map((source) => new SourceText(source, limits))
  const problems = texts.flatMap((text) => text.problems)
  const merged = merge(texts)
  return {
    root: merged.root,
    problems: [...problems, ...merged.problems],
    place: (problem) =>
      problem.outside === undefined
        ? merged.place(problem)
        : { ...placeNowhere(problem, problem.outside), line: 0, column: 0 },
  }
}

function findOversized(
  sources: readonly ConfigurationSource[],
  limits: DocumentLimits,
): PlacedProblem | undefined {
  let total = 0
  for (const source of sources) {
    total += Buffer.byteLength(source.text)
    if (total > limits.maxBytes)
      return placeNowhere(
        {
          severity: 'error',
          code: 'limit',
          path: [],
          message: `the configuration has more than ${limits.maxBytes} bytes`,
          hint: 'split the gateway, or raise PRATU_CONFIG_MAX_BYTES',
        },
        source.name,
      )
  }
  return undefined
}

function placeNowhere(problem: Problem, file = '<string>'): PlacedProblem {
  return { ...problem, file, line: 1, column: 1, excerpt: undefined, localPath: problem.path }
}

/** One source with the cheapest reading that is known to be right, and positions on demand. */
class SourceText {
  readonly source: ConfigurationSource
  readonly root: RawRecord
  readonly problems: readonly PlacedProblem[]
  private readonly limits: DocumentLimits
  /** Without the byte order mark that some editors write. */
  private readonly text: string
  private positioned: PositionedYaml | undefined

  constructor(source: ConfigurationSource, limits: DocumentLimits) {
    this.source = source
    this.limits = limits
    this.text = source.text.replace(/^\ufeff/, '')
    const { value, problems } = this.read()
    const placed = problems.map((problem) => this.placeText(problem))
    if (isRecord(value)) this.root = value
    else {
      this.root = {}
      if (placed.length === 0) placed.push(this.rootProblem())
    }
    this.problems = placed
  }

  private read(): { value: unknown; problems: readonly TextProblem[] } {
    const { format } = this.source
    const { text } = this
    if (format !== 'yaml' && (format === 'json' || /^\s*[[{]/.test(text))) {
      const json = parseJson(text)
      if (json !== undefined && isSafe(json.value, this.limits.maxDepth))
        return { value: json.value, problems: [] }
      if (json === undefined && format === 'json') {
        const { offset, message } = findJsonError(text)
        const span = { start: offset, end: offset + 1 }
        return { value: {}, problems: [{ code: 'syntax', message, span }] }
      }
    }
    if (format !== 'json') {
      const fast = parseFastYaml(text, this.limits.maxDepth)
      if (fast !== UNUSUAL) return { value: fast, problems: [] }
    }
    const careful = this.positions()
    return { value: careful.root, problems: careful.problems }
  }

  private rootProblem(): PlacedProblem {
    return this.place(
      {
        severity: 'error',
        code: 'syntax',
        path: [],
        message: 'failed parsing declarative configuration: expected an object',
        hint: 'a configuration starts with _format_version: "3.0"',
      },
      [],
    )
  }

  private positions(): PositionedYaml {
    this.positioned ??= readPositionedYaml(this.text, this.limits)
    return this.positioned
  }

  private placeText(problem: TextProblem): PlacedProblem {
    const { code, message, hint, span } = problem
    return this.placeSpan({ severity: 'error', code, path: [], message, hint }, [], span)
  }

  place(problem: Problem, localPath: Path): PlacedProblem {
    const span = this.positions().locate(localPath, problem.atKey ?? false)
    return this.placeSpan(problem, localPath, span)
  }

  private placeSpan(
    problem: Problem,
    localPath: Path,
    span: { readonly start: number; readonly end: number },
  ): PlacedProblem {
    const { line, column } = this.positions().position(span.start)
    const excerpt = excerptOf(this.text, span, column, localPath)
    return { ...problem, file: this.source.name, line, column, excerpt, localPath }
  }
}

function isRecord(value: unknown): value is RawRecord {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** `undefined` when the text is not JSON. */
function parseJson(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) }
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

/** Whether nothing in it needs the careful reader's words. */
function isSafe(value: unknown, depthLeft: number): boolean {
  if (typeof value !== 'object' || value === null) return true
  if (depthLeft < 0) return false
  if (Array.isArray(value)) return value.every((item) => isSafe(item, depthLeft - 1))
  return Object.entries(value).every(
    ([key, member]) => !REFUSED_KEYS.has(key) && isSafe(member, depthLeft - 1),
  )
}

interface Origin {
  readonly text: SourceText
  /** Position of the text's first element in the merged list; `undefined` for what is no list. */
  readonly start: number | undefined
}

function merge(texts: readonly SourceText[]) {
  const root: Record<string, unknown> = {}
  const origins = new Map<string, Origin[]>()
  const problems: PlacedProblem[] = []
  for (const text of texts) {
    for (const [key, value] of Object.entries(text.root)) {
      const known = origins.get(key)
      const present = root[key]
      if (known === undefined || present === null) {
        root[key] = value
        origins.set(key, [{ text, start: Array.isArray(value) ? 0 : undefined }])
      } else if (Array.isArray(present) && Array.isArray(value)) {
        known.push({ text, start: present.length })
        root[key] = [...(present as readonly unknown[]), ...(value as readonly unknown[])]
      } else if (value !== null && value !== present && key !== '_comment') {
        problems.push(contradiction(key, text, known[0]?.text))
      }
    }
  }
  const fallback = texts[0]
  const place = (problem: Problem): PlacedProblem => {
    const [key, index, ...rest] = problem.path
    const known = key === undefined ? undefined : origins.get(String(key))
    if (known === undefined || key === undefined)
      return fallback === undefined ? placeNowhere(problem) : fallback.place(problem, problem.path)
    const origin =
      typeof index === 'number' ? known.findLast((one) => (one.start ?? 0) <= index) : known[0]
    if (origin === undefined) return placeNowhere(problem)
    if (typeof index !== 'number') return origin.text.place(problem, problem.path)
    return origin.text.place(problem, [key, index - (origin.start ?? 0), ...rest])
  }
  return { root, problems, place }
}

function contradiction(
  key: string,
  text: SourceText,
  other: SourceText | undefined,
): PlacedProblem {
  const first = other?.place({ severity: 'error', code: 'conflict', path: [key], message: '' }, [
    key,
  ])
  return text.place(
    {
      severity: 'error',
      code: 'conflict',
      path: [key],
      message: `'${key}' is given twice with different values`,
      hint:
        first === undefined
          ? undefined
          : `the other one is at ${first.file}:${first.line}:${first.column}`,
    },
    [key],
  )
}
