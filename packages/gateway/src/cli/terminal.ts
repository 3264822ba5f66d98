/** Writing for people: colours only where a terminal shows them. */
export interface Terminal {
  line(text?: string): void
  readonly colour: boolean
  bold(text: string): string
  dim(text: string): string
  red(text: string): string
  green(text: string): string
}

/** @param environment `NO_COLOR` switches colours off, `FORCE_COLOR` on (no-color.org). */
export function createTerminal(
  stream: NodeJS.WriteStream,
  environment: Readonly<Record<string, string | undefined>>,
): Terminal {
  const forced = environment['FORCE_COLOR']
  const colour =
    forced !== undefined && forced !== '0'
      ? true
      : stream.isTTY === true && (environment['NO_COLOR'] ?? '') === ''
  const paint = (code: number) => (text: string) => (colour ? `\x1b[${code}m${text}\x1b[0m` : text)
  return {
    line: (text = '') => {
      stream.write(`${text}\n`)
    },
    colour,
    bold: paint(1),
    dim: paint(2),
    red: paint(31),
    green: paint(32),
  }
}
