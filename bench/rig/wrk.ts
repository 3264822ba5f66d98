import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { cpuMicros } from './machine.ts'

export interface Load {
  readonly url: string
  readonly seconds: number
  readonly connections: number
  readonly headers?: Readonly<Record<string, string>>
  /** Sent by POST; GET without it. */
  readonly body?: string
}

export interface LoadResult {
  readonly requests: number
  readonly requestsPerSecond: number
  readonly bytesPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** Socket errors and answers that were not 2xx or 3xx. */
  readonly errors: number
  /** Of the process under load, its children included. */
  readonly cpuMicrosPerRequest: number
}

const SCRIPT_END = `
done = function(summary, latency)
  io.write(string.format("RESULT %d %d %d %d %f %f\\n", summary.requests, summary.duration, summary.bytes,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.status + summary.errors.timeout,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end
`

/** Runs wrk against one process. @throws {Error} when wrk is not installed (Debian: wrk). */
export async function runWrk(pid: number, load: Load): Promise<LoadResult> {
  const folder = mkdtempSync(join(tmpdir(), 'pratu-wrk-'))
  const script = join(folder, 'load.lua')
  writeFileSync(script, requestScript(load) + SCRIPT_END)
  try {
    const before = cpuMicros(pid)
    const output = await execute('wrk', [
      '-t1',
      `-c${load.connections}`,
      `-d${load.seconds}s`,
      '--latency',
      '-s',
      script,
      load.url,
    ])
    const used = cpuMicros(pid) - before
    const match = /RESULT (\d+) (\d+) (\d+) (\d+) ([\d.]+) ([\d.]+)/.exec(output)
    if (match === null) throw new Error(`wrk said: ${output}`)
    const [requests = 0, micros = 1, bytes = 0, errors = 0, p50Ms = 0, p99Ms = 0] = match
      .slice(1)
      .map(Number)
    return {
      requests,
      requestsPerSecond: requests / (micros / 1e6),
      bytesPerSecond: bytes / (micros / 1e6),
      p50Ms,
      p99Ms,
      errors,
      cpuMicrosPerRequest: used / Math.max(1, requests),
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function requestScript({ headers, body }: Load): string {
  const lines = Object.entries(headers ?? {}).map(
    ([name, value]) => `wrk.headers[${JSON.stringify(name)}] = ${JSON.stringify(value)}`,
  )
  if (body !== undefined) lines.push('wrk.method = "POST"', `wrk.body = ${JSON.stringify(body)}`)
  return `${lines.join('\n')}\n`
}

function execute(program: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(program, args, (error, stdout) => {
      if (error === null) resolve(stdout)
      else reject(new Error(`${program}: ${error.message}`, { cause: error }))
    })
  })
}
