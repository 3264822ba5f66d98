/** The text uses something that only the careful reader understands. */
export const UNUSUAL = Symbol('unusual')

export function parseFastYaml(_text: string, _maxDepth: number): unknown {
  return UNUSUAL
}
