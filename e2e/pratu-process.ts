/** Starts the real program as a child, for tests over real processes and signals. */
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const BIN = fileURLToPath(new URL('../packages/gateway/bin/pratu.js', import.meta.url))

export interface PratuProcessOptions {
  /** Text of the configuration file; none: whatever `args` say. */
  readonly configuration?: string
  readonly args?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  /** Command in front, such as `prlimit --nofile=256`. */
  readonly wrapper?: readonly string[]
  /** How long it may take to listen, ms. */
  readonly startMs?: number
}

/** A line of the program's log. */
export type LogLine = Readonly<Record<string, unknown>>

export interface PratuProcess {
  readonly pid: number
  readonly proxyUrl: string
  readonly adminUrl: string
  readonly proxyPort: number
  readonly adminPort: number
  /** Every line of standard output and standard error so far. */
  readonly output: readonly string[]
  /** The lines that are JSON. */
  readonly log: readonly LogLine[]
  readonly configurationPath: string
  /** Resolves with the first log line, past or future, that `matches`. */
  waitForLog(matches: (line: LogLine) => boolean, timeoutMs?: number): Promise<LogLine>
  /** The same for lines that are plain text, such as the demo's key. */
  waitForOutput(matches: (text: string) => boolean, timeoutMs?: number): Promise<string>
  signal(signal: NodeJS.Signals): void
  readonly exited: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>
  /** SIGKILL if it still runs, and its files removed. */
  stop(): Promise<void>
}

/** @throws {Error} with the program's output when it ends before it listens. */
export async function startPratu(options: PratuProcessOptions = {}): Promise<PratuProcess> {
  const folder = mkdtempSync(join(tmpdir(), 'pratu-e2e-'))
  const configurationPath = join(folder, 'kong.yml')
  if (options.configuration !== undefined) writeFileSync(configurationPath, options.configuration)
  const config = options.configuration === undefined ? [] : ['--config', configurationPath]
  const command = [
    ...(options.wrapper ?? []),
    process.execPath,
    BIN,
    'start',
    ...config,
    ...(options.args ?? []),
  ]
  const child = spawn(command[0] ?? process.execPath, command.slice(1), {
    stdio: ['ignore', 'pipe', 'pipe'],
    // A group of their own: a wrapper may stay between, and would leave the program behind.
    detached: options.wrapper !== undefined,
    env: {
      PATH: process.env['PATH'] ?? '',
      PRATU_PROXY_LISTEN: '127.0.0.1:0',
      PRATU_ADMIN_LISTEN: '127.0.0.1:0',
      ...options.environment,
    },
  })
  const exited = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }))
  })
  const output: string[] = []
  const log: LogLine[] = []
  const watchers = new Set<() => void>()
  const take = (text: string): void => {
    output.push(text)
    const line = parseLine(text)
    if (line !== undefined) log.push(line)
    for (const watcher of watchers) watcher()
  }
  if (child.stdout !== null) createInterface({ input: child.stdout }).on('line', take)
  if (child.stderr !== null) {
    createInterface({ input: child.stderr }).on('line', (text) => {
      take(text)
    })
  }

  /** Resolves with the first element of a growing list, there or still to come, that `matches`. */
  const waitIn = <T>(
    list: readonly T[],
    matches: (element: T) => boolean,
    timeoutMs = options.startMs ?? 30_000,
  ): Promise<T> =>
    new Promise((resolve, reject) => {
      let seen = 0
      const end = (): void => {
        clearTimeout(timer)
        watchers.delete(look)
      }
      const look = (): void => {
        const found = list.slice(seen).find(matches)
        seen = list.length
        if (found === undefined) return
        end()
        resolve(found)
      }
      const fail = (reason: string): void => {
        end()
        reject(new Error(`${reason}\n${output.join('\n')}`))
      }
      const timer = setTimeout(() => fail(`no such line within ${timeoutMs} ms`), timeoutMs)
      watchers.add(look)
      look()
      void exited.then(({ code }) => fail(`the program ended with ${code}`))
    })
  const waitForLog: PratuProcess['waitForLog'] = (matches, ms) => waitIn(log, matches, ms)
  const waitForOutput: PratuProcess['waitForOutput'] = (matches, ms) => waitIn(output, matches, ms)

  const stop = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) {
      if (options.wrapper === undefined) child.kill('SIGKILL')
      else process.kill(-pidOf(child), 'SIGKILL')
    }
    await exited
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    const listening = await waitForLog(({ msg }) => msg === 'listening')
    const proxyPort = portOf(listening['proxy'])
    const adminPort = portOf(listening['admin'])
    return {
      pid: pidOf(child),
      proxyPort,
      adminPort,
      proxyUrl: `http://127.0.0.1:${proxyPort}`,
      adminUrl: `http://127.0.0.1:${adminPort}`,
      output,
      log,
      configurationPath,
      waitForLog,
      waitForOutput,
      signal: (signal) => child.kill(signal),
      exited,
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

function pidOf(child: ChildProcess): number {
  if (child.pid === undefined) throw new Error('the program could not be started')
  return child.pid
}

function parseLine(text: string): LogLine | undefined {
  if (!text.startsWith('{')) return undefined
  try {
    return JSON.parse(text) as LogLine
  } catch {
    return undefined
  }
}

/** `["127.0.0.1:8000"]` → 8000. */
function portOf(addresses: unknown): number {
  const first: unknown = Array.isArray(addresses) ? addresses[0] : undefined
  return typeof first === 'string' ? Number(first.slice(first.lastIndexOf(':') + 1)) : 0
}
