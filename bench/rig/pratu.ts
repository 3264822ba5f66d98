import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { startProcess, type RigProcess } from './process.ts'

export const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** The program as the repository runs it, types stripped at start. */
export const SOURCE_BIN = join(ROOT, 'packages/gateway/bin/pratu.js')

/** The only key that the gateways of the benchmarks know. */
export const KEY = 'bench-key-0123456789abcdef'

/** The plugins of the article, with a limit that nobody reaches. */
export const FIVE_PLUGINS = `plugins:
- name: key-auth
- name: rate-limiting
  config: {minute: 1000000000, policy: local}
- name: proxy-cache
  config: {strategy: memory, request_method: [GET]}
- name: correlation-id
- name: prometheus
  config: {per_consumer: true, status_code_metrics: true, latency_metrics: true, bandwidth_metrics: true}
consumers:
- username: bench
  keyauth_credentials: [{key: ${KEY}}]
`

export interface BenchRoute {
  /** Of the route and of its service alike. */
  readonly path: string
  /** Port of the upstream on loopback. */
  readonly upstream: number
}

/** A declarative configuration. @param plugins what stands at its top level besides. */
export function configuration(routes: readonly BenchRoute[], plugins = ''): string {
  const services = routes.map(
    ({ path, upstream }, index) => `- name: bench-${index}
  url: http://127.0.0.1:${upstream}${path}
  routes:
  - {name: bench-${index}, paths: [${path}], strip_path: false, protocols: [http]}
`,
  )
  return `_format_version: "3.0"\nservices:\n${services.join('')}${plugins}`
}

export interface PratuOptions {
  /** Program to run; `SOURCE_BIN` or what `buildPackage` returned. */
  readonly bin: string
  readonly port: number
  readonly configuration: string
  /** Scratch folder of the benchmark. */
  readonly folder: string
  readonly environment?: Readonly<Record<string, string>>
}

/** Starts one gateway with one worker, logs off; its admin port is `port` + 50. */
export async function startPratu(options: PratuOptions): Promise<RigProcess> {
  const { bin, port } = options
  // A folder of its own: the gateway watches it, and every change of a file there would cost it a look.
  const folder = mkdtempSync(join(options.folder, 'pratu-'))
  const file = join(folder, 'pratu.yml')
  writeFileSync(file, options.configuration)
  const gateway = await startProcess({
    command: [process.execPath, bin, 'start', '--config', file],
    environment: {
      PRATU_PROXY_LISTEN: `127.0.0.1:${port}`,
      PRATU_ADMIN_LISTEN: `127.0.0.1:${port + 50}`,
      PRATU_PROXY_ACCESS_LOG: 'off',
      PRATU_ADMIN_ACCESS_LOG: 'off',
      PRATU_LOG_LEVEL: 'error',
      ...options.environment,
    },
    port,
  })
  // It listens before its configuration is there, and says 503 until then.
  while (!(await isReady(port))) await sleep(10)
  return gateway
}

async function isReady(port: number): Promise<boolean> {
  const response = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => undefined)
  return response?.status === 200
}

/** Builds the npm packages and lays them out as installed. @returns the program to run. */
export function buildPackage(folder: string): string {
  const tarballs = join(folder, 'tarballs')
  execFileSync(process.execPath, [join(ROOT, 'scripts/pack.ts'), tarballs], { stdio: 'pipe' })
  const modules = join(folder, 'node_modules')
  for (const name of ['pratu', '@pratu/plugin-kit', '@pratu/simulator', '@pratu/client']) {
    const place = join(modules, name)
    mkdirSync(place, { recursive: true })
    const prefix = `${name.replace('@', '').replace('/', '-')}-`
    const tarball = readdirSync(tarballs).find(
      (file) => file.startsWith(prefix) && /^\d/.test(file.slice(prefix.length)),
    )
    if (tarball === undefined) throw new Error(`no tarball of ${name}`)
    execFileSync('tar', ['-xzf', join(tarballs, tarball), '-C', place, '--strip-components=1'])
  }
  linkOthers(join(ROOT, 'node_modules'), modules)
  return join(modules, 'pratu/bin/pratu.js')
}

/** Everything else comes from the repository's own modules. */
function linkOthers(from: string, to: string): void {
  const own = new Set(['pratu', '@pratu'])
  for (const name of readdirSync(from)) {
    if (!own.has(name) && !name.startsWith('.')) symlinkSync(join(from, name), join(to, name))
  }
}
