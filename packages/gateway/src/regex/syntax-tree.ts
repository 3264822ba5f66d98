import type { CharSet } from './char-set.ts'

export type Assertion =
  | 'text-start'
  | 'text-end'
  | 'line-start'
  | 'line-end'
  | 'word-boundary'
  | 'not-word-boundary'
  | 'word-start'
  | 'word-end'

export type SyntaxNode =
  | { readonly kind: 'empty' }
  | { readonly kind: 'set'; readonly set: CharSet }
  | { readonly kind: 'assertion'; readonly assertion: Assertion }
  | { readonly kind: 'group'; readonly index: number; readonly body: SyntaxNode }
  | { readonly kind: 'concatenation'; readonly parts: readonly SyntaxNode[] }
  | { readonly kind: 'alternation'; readonly branches: readonly SyntaxNode[] }
  | {
      readonly kind: 'repetition'
      readonly body: SyntaxNode
      readonly min: number
      /** `undefined` = without end. */
      readonly max: number | undefined
      readonly greedy: boolean
    }

export interface SyntaxTree {
  readonly root: SyntaxNode
  /** Capturing groups, without the whole match. */
  readonly groupCount: number
  /** Group number by name. */
  readonly groupNames: ReadonlyMap<string, number>
}

/** Whether the node can match without consuming anything. */
export function isNullable(node: SyntaxNode): boolean {
  switch (node.kind) {
    case 'empty':
    case 'assertion':
      return true
    case 'set':
      return false
    case 'group':
      return isNullable(node.body)
    case 'concatenation':
      return node.parts.every(isNullable)
    case 'alternation':
      return node.branches.some(isNullable)
    case 'repetition':
      return node.min === 0 || isNullable(node.body)
  }
}

/** Text that every match starts with; the longest that is plain to see. */
export function literalPrefix(root: SyntaxNode): string {
  let prefix = ''
  // Answers whether whatever follows the node still belongs to the prefix.
  const visit = (node: SyntaxNode): boolean => {
    switch (node.kind) {
      case 'empty':
      case 'assertion':
        return true
      case 'set':
        if (node.set.only === undefined) return false
        prefix += String.fromCodePoint(node.set.only)
        return true
      case 'group':
        return visit(node.body)
      case 'concatenation':
        return node.parts.every(visit)
      case 'alternation':
      case 'repetition':
        return false
    }
  }
  visit(root)
  return prefix
}
