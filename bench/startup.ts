/**
 * How long the installed package takes to be ready, and what it keeps in memory when nothing happens. Usage:
 * `npm run bench -- startup`.
 *
 * The package is built, packed and installed into an empty folder first, as a user has it. Reach: ready in 500 ms
 * (median of 5), at most 120 MB of resident memory (issue 2 parts 10 and 11).
 */
import { execFileSync, spawn } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { setTimeout as sleep } from 'node:timers/promises'
import { median, save, table } from './rig/report.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const PORT = 18_400
const ROUNDS = 5
const SETTLE_MS = 2000

const CONFIGURATION = `_format_version: "3.0"
services:
- name: s
  url: http://127.0.0.1:9
  routes:
  - name: answered
    paths: [/answered]
    plugins:
    - name: request-termination
      config: {status_code: 200}
`

interface Round {
  readonly readyMs: number
  readonly residentMb: number
  readonly ownMb: number
}

const CASES: readonly (readonly [name: string, environment: Readonly<Record<string, string>>])[] = [
  ['one process', {}],
  ['with a memory limit (one execve)', { PRATU_MEMORY_LIMIT: '512m' }],
  ['no compile cache', { NODE_DISABLE_COMPILE_CACHE: '1' }],
  ['two workers', { PRATU_WORKERS: '2' }],
]

const folder = mkdtempSync(join(tmpdir(), 'pratu-startup-'))
try {
  const bin = install()
  const results = new Map<string, readonly Round[]>()
  for (const [name, environment] of CASES) {
    const rounds: Round[] = []
    // The first start fills the compile cache.
    for (let round = 0; round <= ROUNDS; round++) {
      const measured = await start(bin, environment)
      if (round > 0) rounds.push(measured)
    }
    results.set(name, rounds)
  }
  const rows = [...results].map(([name, rounds]) => [
    name,
    median(rounds.map(({ readyMs }) => readyMs)),
    median(rounds.map(({ residentMb }) => residentMb)),
    median(rounds.map(({ ownMb }) => ownMb)),
  ])
  console.log(table(['start', 'ready, ms', 'resident, MB', 'without mapped files, MB'], rows))
  save('startup', { cases: Object.fromEntries(results) })
} finally {
  rmSync(folder, { recursive: true, force: true })
}

/** @returns the installed program. */
function install(): string {
  const tarballs = join(folder, 'tarballs')
  execFileSync(process.execPath, [join(ROOT, 'scripts/pack.ts'), tarballs], { stdio: 'ignore' })
  writeFileSync(join(folder, 'package.json'), '{ "name": "startup", "private": true }')
  cpSync(join(ROOT, '.npmrc'), join(folder, '.npmrc'))
  const files = readdirSync(tarballs).map((file) => join(tarballs, file))
  execFileSync('npm', ['install', '--ignore-scripts', ...files], { cwd: folder, stdio: 'ignore' })
  writeFileSync(join(folder, 'kong.yml'), CONFIGURATION)
  return join(folder, 'node_modules/pratu/bin/pratu.js')
}

async function start(bin: string, environment: Readonly<Record<string, string>>): Promise<Round> {
  const startedAt = performance.now()
  const child = spawn(
    process.execPath,
    [bin, 'start', '--config', join(folder, 'kong.yml'), '--port', String(PORT)],
    {
      stdio: 'ignore',
      env: {
        PATH: process.env['PATH'] ?? '',
        HOME: process.env['HOME'] ?? '',
        PRATU_ADMIN_LISTEN: `127.0.0.1:${PORT + 1}`,
        ...environment,
      },
    },
  )
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  while (!(await isReady())) {
    if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}`)
    await sleep(2)
  }
  const readyMs = performance.now() - startedAt
  await sleep(SETTLE_MS)
  const status = readFileSync(`/proc/${child.pid ?? 0}/status`, 'utf8')
  child.kill('SIGINT')
  await gone
  return {
    readyMs,
    residentMb: megabytes(status, 'VmRSS'),
    ownMb: megabytes(status, 'RssAnon'),
  }
}

function megabytes(status: string, name: string): number {
  return (Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) * 1024) / 1e6
}

function isReady(): Promise<boolean> {
  return new Promise((resolve) => {
    const sent = request(
      { host: '127.0.0.1', port: PORT, path: '/readyz', agent: false },
      (answer) => {
        answer.resume()
        resolve(answer.statusCode === 200)
      },
    )
    sent.on('error', () => resolve(false))
    sent.end()
  })
}
