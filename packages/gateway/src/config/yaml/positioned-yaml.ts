import {
  Composer,
  type Document,
  isAlias,
  isMap,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  Parser,
  Scalar,
} from 'yaml'

import type { Path } from '../diagnostics.ts'
import { resolvePlainScalar } from './plain-scalar.ts'
import { REFUSED_KEYS } from './refused-keys.ts'

/** A part of a text, in UTF-16 units, end exclusive. */
export interface Span {
  readonly start: number
  readonly end: number
}

export interface TextProblem {
  readonly code: 'syntax' | 'duplicate-key' | 'limit' | 'refused-key'
  readonly message: string
  readonly hint?: string
  readonly span: Span
}

export interface TextLimits {
  /** Nodes that aliases and merge keys may add to the document in all. */
  readonly maxAliases: number
  readonly maxDepth: number
}

/** The careful reader: slow, but it knows where everything is and says exactly what is wrong. */
export interface PositionedYaml {
  readonly root: unknown
  readonly problems: readonly TextProblem[]
  /** The span of the value at a path, or of its key; the nearest existing ancestor when it is not there. */
  locate(path: Path, atKey: boolean): Span
  position(offset: number): { readonly line: number; readonly column: number }
}

/** Reads the first document of a YAML 1.1 text (kong.md §1.1); JSON is read by the same rules. */
export function readPositionedYaml(text: string, limits: TextLimits): PositionedYaml {
  const lines = new LineCounter()
  const position = (offset: number) => {
    const { line, col } = lines.linePos(offset)
    return { line: Math.max(line, 1), column: Math.max(col, 1) }
  }
  let document: Document.Parsed | undefined
  try {
    document = firstDocument(text, lines)
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    const span = { start: 0, end: 1 }
    return {
      root: null,
      problems: [{ code: 'limit', message: 'the document is nested too deeply', span }],
      locate: () => span,
      position,
    }
  }
  const reader = new Reader(document, limits)
  const root = reader.value(document?.contents ?? null, 0)
  return {
    root,
    problems: [...syntaxProblems(document), ...reader.problems],
    locate: (path, atKey) => reader.locate(path, atKey),
    position,
  }
}

function firstDocument(text: string, lines: LineCounter): Document.Parsed | undefined {
  // Resolving scalars is left to us: `failsafe` keeps the text, `merge` is done in Reader.
  const composer = new Composer({
    version: '1.1',
    schema: 'failsafe',
    lineCounter: lines,
    keepSourceTokens: false,
    uniqueKeys: false,
    prettyErrors: false,
    strict: true,
  })
  const tokens = new Parser(lines.addNewLine).parse(text)
  for (const document of composer.compose(tokens, true, text.length)) return document
  return undefined
}

function syntaxProblems(document: Document.Parsed | undefined): TextProblem[] {
  return (document?.errors ?? []).map((error) => ({
    code: 'syntax',
    message: error.message,
    span: { start: error.pos[0], end: error.pos[1] },
  }))
}

class Reader {
  readonly problems: TextProblem[] = []
  private readonly document: Document.Parsed | undefined
  private readonly limits: TextLimits
  /** What each anchored node became, and how many nodes it has with its own aliases expanded. */
  private readonly anchors = new Map<string, { value: unknown; nodes: number; node: Node }>()
  private nodes = 0
  private aliasNodes = 0
  private stopped = false

  constructor(document: Document.Parsed | undefined, limits: TextLimits) {
    this.document = document
    this.limits = limits
  }

  value(node: unknown, depth: number): unknown {
    if (this.stopped) return null
    this.nodes++
    if (depth > this.limits.maxDepth) {
      this.stop(node, `the document is nested deeper than ${this.limits.maxDepth} levels`)
      return null
    }
    if (isAlias(node)) return this.alias(node.source, node)
    const before = this.nodes
    const value = this.plainValue(node, depth)
    const anchor = anchorOf(node)
    if (anchor !== undefined && isNode(node))
      this.anchors.set(anchor, { value, nodes: this.nodes - before + 1, node })
    return value
  }

  private plainValue(node: unknown, depth: number): unknown {
    if (isScalar(node)) return this.scalar(node)
    if (isSeq(node)) {
      this.refuseTag(node)
      return node.items.map((item) => this.value(isPair(item) ? item.value : item, depth + 1))
    }
    if (isMap(node)) {
      this.refuseTag(node)
      return this.map(node.items, depth)
    }
    return null
  }

  private map(pairs: readonly Pair[], depth: number): Record<string, unknown> {
    const own: Record<string, unknown> = {}
    const merged: Record<string, unknown> = {}
    for (const pair of pairs) {
      const key = keyText(pair)
      if (key === undefined) {
        this.report('syntax', pair.key, 'a field name must be a plain text')
        continue
      }
      const value = this.value(pair.value, depth + 1)
      if (key === '<<' && isPlain(pair.key)) this.merge(pair, value, merged)
      else if (REFUSED_KEYS.has(key))
        this.report('refused-key', pair.key, `the field name '${key}' is not allowed`)
      else if (Object.hasOwn(own, key))
        this.report(
          'duplicate-key',
          pair.key,
          `the field '${key}' is already given above`,
          'keep one of them',
        )
      else own[key] = value
    }
    return { ...merged, ...own }
  }

  /** `<<`: members of one mapping or of a list of them, the first one winning. */
  private merge(pair: Pair, value: unknown, into: Record<string, unknown>): void {
    for (const source of Array.isArray(value) ? value : [value]) {
      if (typeof source !== 'object' || source === null || Array.isArray(source)) {
        this.report('syntax', pair.value, 'a merge key (<<) needs a mapping or a list of mappings')
        return
      }
      for (const [key, member] of Object.entries(source))
        if (!Object.hasOwn(into, key)) into[key] = member
    }
  }

  private scalar(node: Scalar): unknown {
    const text = textOf(node)
    if (node.tag !== undefined && node.tag !== 'tag:yaml.org,2002:str')
      return this.tagged(node, node.tag, text)
    if (node.tag !== undefined || !isPlain(node)) return text
    return resolvePlainScalar(text)
  }

  private tagged(node: Scalar, tag: string, text: string): unknown {
    const kind = /^tag:yaml\.org,2002:(int|float|bool|null)$/.exec(tag)?.[1]
    const value = resolvePlainScalar(text)
    const fits =
      kind === 'null'
        ? value === null
        : kind === 'bool'
          ? typeof value === 'boolean'
          : kind !== undefined && typeof value === 'number'
    if (!fits) this.report('syntax', node, `the tag ${shortTag(tag)} is not supported here`)
    return value
  }

  private refuseTag(node: { readonly tag?: string | undefined }): void {
    if (node.tag === undefined || /^tag:yaml\.org,2002:(?:map|seq)$/.test(node.tag)) return
    this.report('syntax', node, `the tag ${shortTag(node.tag)} is not supported here`)
  }

  private alias(name: string, node: unknown): unknown {
    const anchor = this.anchors.get(name)
    if (anchor === undefined) {
      this.report('syntax', node, `there is no anchor '&${name}' before this alias`)
      return null
    }
    this.aliasNodes += anchor.nodes
    this.nodes += anchor.nodes
    if (this.aliasNodes > this.limits.maxAliases)
      this.stop(node, `aliases expand to more than ${this.limits.maxAliases} values`)
    return anchor.value
  }

  private stop(node: unknown, message: string): void {
    if (this.stopped) return
    this.report('limit', node, message)
    this.stopped = true
  }

  private report(code: TextProblem['code'], node: unknown, message: string, hint?: string): void {
    const span = spanOf(node) ?? { start: 0, end: 1 }
    this.problems.push(hint === undefined ? { code, message, span } : { code, message, hint, span })
  }

  locate(path: Path, atKey: boolean): Span {
    let node: unknown = this.document?.contents
    let span = spanOf(node) ?? { start: 0, end: 1 }
    // A mapping that lacks something is shown at its first field: its whole body would bury the point.
    let keySpan: Span | undefined
    for (const part of path) {
      if (part === '@entity') break
      const step = this.step(node, part)
      if (step === undefined) return firstKeySpan(node) ?? keySpan ?? span
      node = step.node
      keySpan = step.key
      span = spanOf(node) ?? keySpan ?? span
    }
    const target = this.resolve(node)
    if (atKey && keySpan !== undefined) return keySpan
    if (isMap(target) || isSeq(target)) return firstKeySpan(target) ?? keySpan ?? span
    return span
  }

  private step(
    node: unknown,
    part: string | number,
  ): { node: unknown; key: Span | undefined } | undefined {
    const collection = this.resolve(node)
    if (isSeq(collection) && typeof part === 'number') {
      const item: unknown = collection.items[part]
      return item === undefined ? undefined : { node: item, key: undefined }
    }
    if (!isMap(collection)) return undefined
    const name = String(part)
    for (const pair of collection.items)
      if (keyText(pair) === name) return { node: pair.value, key: spanOf(pair.key) }
    for (const pair of collection.items) {
      if (keyText(pair) !== '<<') continue
      const sources = this.resolve(pair.value)
      for (const source of isSeq(sources) ? sources.items : [sources]) {
        const found = this.step(source, part)
        if (found !== undefined) return found
      }
    }
    return undefined
  }

  private resolve(node: unknown): unknown {
    return isAlias(node) ? this.anchors.get(node.source)?.node : node
  }
}

function keyText(pair: Pair): string | undefined {
  if (!isScalar(pair.key)) return undefined
  return textOf(pair.key)
}

/** The failsafe schema leaves every scalar a text; an empty one is `null`. */
function textOf(scalar: Scalar): string {
  return typeof scalar.value === 'string' ? scalar.value : ''
}

function isPlain(node: unknown): boolean {
  return isScalar(node) && (node.type === Scalar.PLAIN || node.type === undefined)
}

function isNode(node: unknown): node is Node {
  return isScalar(node) || isMap(node) || isSeq(node)
}

function anchorOf(node: unknown): string | undefined {
  return isScalar(node) || isMap(node) || isSeq(node) ? node.anchor : undefined
}

function shortTag(tag: string): string {
  return tag.replace('tag:yaml.org,2002:', '!!')
}

function spanOf(node: unknown): Span | undefined {
  if (!isNode(node) && !isAlias(node)) return undefined
  const range = node.range
  return range === null || range === undefined ? undefined : { start: range[0], end: range[1] }
}

function firstKeySpan(node: unknown): Span | undefined {
  if (isMap(node)) return spanOf(node.items[0]?.key)
  if (isSeq(node)) return isMap(node.items[0]) ? firstKeySpan(node.items[0]) : spanOf(node.items[0])
  return undefined
}
