import type { Diagnostic, Severity } from './diagnostics.ts'

const COLOURS: Readonly<Record<Severity, string>> = {
  error: '\u001b[31m',
  warning: '\u001b[33m',
  advice: '\u001b[36m',
}
const BOLD = '\u001b[1m'
const DIM = '\u001b[2m'
const RESET = '\u001b[0m'

/** Diagnostics for people: what is wrong, where, the line with a caret under it, and what to write instead. */
export function renderDiagnostics(
  list: readonly Diagnostic[],
  { colour }: { readonly colour: boolean },
): string {
  return list.map((diagnostic) => renderOne(diagnostic, colour)).join('\n\n')
}

function renderOne(diagnostic: Diagnostic, colour: boolean): string {
  const paint = (code: string, text: string) => (colour ? `${code}${text}${RESET}` : text)
  const { severity, message, path, hint, fix, excerpt } = diagnostic
  const tone = COLOURS[severity]
  const field = path === '' ? '' : `${path}: `
  const lines = [`${paint(tone + BOLD, `${severity}:`)} ${paint(BOLD, printable(field + message))}`]
  const number = String(diagnostic.line)
  const margin = ' '.repeat(number.length)
  lines.push(`${margin}${paint(DIM, '-->')} ${printable(placeOf(diagnostic))}`)
  if (excerpt !== undefined) {
    const bar = paint(DIM, '|')
    const caret = ' '.repeat(excerpt.column - 1) + '^'.repeat(excerpt.length)
    lines.push(
      `${margin} ${bar}`,
      `${paint(DIM, number)} ${bar} ${printable(excerpt.text)}`,
      `${margin} ${bar} ${paint(tone, caret)}`,
    )
  }
  if (hint !== undefined) lines.push(`${margin} ${paint(DIM, '=')} ${printable(hint)}`)
  if (fix !== undefined)
    lines.push('', ...fix.split('\n').map((line) => `${margin}     ${printable(line)}`))
  return lines.join('\n')
}

/** What belongs to no line of a file, such as an environment variable, has only a name. */
function placeOf({ file, line, column }: Diagnostic): string {
  return line === 0 ? file : `${file}:${line}:${column}`
}

/** A file must not be able to move the cursor or forge lines on the terminal that shows its mistakes. */
function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\u2028\u2029]/gu, (character) =>
    character === '\t' ? ' ' : '\u{fffd}',
  )
}
