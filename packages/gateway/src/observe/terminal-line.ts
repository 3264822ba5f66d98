/** One readable line per log record, for people at a terminal. Programs get JSON. */

const LEVELS: ReadonlyMap<string, string> = new Map([
  ['debug', '\u001B[90mdebug\u001B[0m'],
  ['info', '\u001B[32minfo \u001B[0m'],
  ['warn', '\u001B[33mwarn \u001B[0m'],
  ['error', '\u001B[31merror\u001B[0m'],
  ['fatal', '\u001B[41;97mfatal\u001B[0m'],
])

const FIXED: ReadonlySet<string> = new Set(['level', 'time', 'msg', 'error'])

/**
 * @param json one line as the logger wrote it.
 * @returns the same for a person: time, level, message, members; an error's stack below.
 */
export function toTerminalLine(json: string): string {
  const record: unknown = JSON.parse(json)
  if (typeof record !== 'object' || record === null) return json
  const members = new Map<string, unknown>(Object.entries(record))
  const message = members.get('msg')
  const time = clockOf(members.get('time'))
  const level = LEVELS.get(String(members.get('level'))) ?? String(members.get('level'))
  let line = `\u001B[90m${time}\u001B[0m ${level} ${typeof message === 'string' ? printableText(message) : ''}`
  for (const [name, value] of members) {
    if (!FIXED.has(name)) line += ` \u001B[90m${printableText(name)}=\u001B[0m${memberText(value)}`
  }
  return `${line}${errorText(members.get('error'))}\n`
}

/** `hh:mm:ss` of the local clock. */
export function clockOf(time: unknown): string {
  const date = new Date(typeof time === 'string' || typeof time === 'number' ? time : Number.NaN)
  return Number.isNaN(date.getTime()) ? '--:--:--' : date.toTimeString().slice(0, 8)
}

function memberText(value: unknown): string {
  if (typeof value === 'string') {
    return /^[^\s"=]+$/.test(value) ? printableText(value) : JSON.stringify(value)
  }
  return JSON.stringify(value) ?? 'undefined'
}

function errorText(error: unknown): string {
  if (typeof error !== 'object' || error === null)
    return error === undefined ? '' : ` ${memberText(error)}`
  const stack = 'stack' in error && typeof error.stack === 'string' ? error.stack : undefined
  const message = 'message' in error ? String(error.message) : JSON.stringify(error)
  const text = printableText(stack ?? message, true)
  const cause = 'cause' in error ? errorText(error.cause) : ''
  return `\n  ${text.replaceAll('\n', '\n  ')}${cause}`
}

/** What comes from outside must not steer the terminal: control characters are shown, not sent. */
export function printableText(text: string, keepLines = false): string {
  let shown = ''
  for (const character of text) {
    const code = character.charCodeAt(0)
    const control = code < 32 || (code >= 127 && code < 160)
    if (!control || (keepLines && character === '\n')) shown += character
    else shown += `\\x${code.toString(16).padStart(2, '0')}`
  }
  return shown
}
