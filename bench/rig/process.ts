import { spawn, type ChildProcess } from 'node:child_process'
import { connect } from 'node:net'

/** A contender or an upstream under measurement. */
export interface RigProcess {
  readonly pid: number
  stop(): Promise<void>
}

export interface RigCommand {
  readonly command: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  /** Where it listens when it is ready. */
  readonly port: number
  readonly readyMs?: number
}

/** @throws {Error} when it does not listen in time. */
export async function startProcess(options: RigCommand): Promise<RigProcess> {
  const [program = '', ...args] = options.command
  const child = spawn(program, args, {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: {
      PATH: process.env['PATH'] ?? '',
      HOME: process.env['HOME'] ?? '',
      ...options.environment,
    },
  })
  let errors = ''
  child.stderr?.on('data', (chunk: Buffer) => {
    errors = (errors + chunk.toString()).slice(-4000)
  })
  const stop = (): Promise<void> => stopChild(child)
  try {
    await waitForPort(options.port, options.readyMs ?? 15_000, child)
  } catch (error) {
    await stop()
    throw new Error(`${options.command.join(' ')}: ${String(error)}\n${errors}`, { cause: error })
  }
  return { pid: child.pid ?? 0, stop }
}

async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  child.kill('SIGINT')
  const timer = setTimeout(() => child.kill('SIGKILL'), 2000)
  await gone
  clearTimeout(timer)
}

async function waitForPort(port: number, timeoutMs: number, child: ChildProcess): Promise<void> {
  const deadline = performance.now() + timeoutMs
  while (!(await canConnect(port))) {
    if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}`)
    if (performance.now() > deadline)
      throw new Error(`port ${port} is not open after ${timeoutMs} ms`)
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
}

function canConnect(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
}
