import { spawn } from 'node:child_process'

export interface CommandResult {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface CommandOptions {
  /** Variables beside `PATH`, which is passed on. */
  readonly environment?: Readonly<Record<string, string>>
  /** Written to standard input, which is then closed. */
  readonly input?: string
  readonly cwd?: string
}

/**
 * Runs a program to its end; a status other than 0 is a result like any other.
 *
 * @throws {Error} when it cannot be started at all.
 */
export function runCommand(
  command: readonly [string, ...string[]],
  { environment = {}, input = '', cwd }: CommandOptions = {},
): Promise<CommandResult> {
  const [program, ...args] = command
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      env: { PATH: process.env['PATH'] ?? '', ...environment },
      ...(cwd === undefined ? {} : { cwd }),
    })
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, stdout, stderr }))
    // A program that ends without reading its input is no failure of ours.
    child.stdin.on('error', () => undefined)
    child.stdin.end(input)
  })
}
