import { stringify } from 'yaml'

/** A value of one line as YAML would have to write it. */
export function yamlScalar(value: string | number): string {
  return stringify(value, { version: '1.1', lineWidth: 0 }).trimEnd()
}

/** Lines of YAML, indented by two spaces per `depth`. */
export function indented(depth: number, lines: readonly string[]): string[] {
  return lines.map((line) => `${'  '.repeat(depth)}${line}`)
}
