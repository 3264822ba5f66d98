/** Real Redis servers of Debian's package, on free ports, without persistence. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'

export interface RedisServer extends AsyncDisposable {
  readonly port: number
  readonly pid: number
  /** A client of the test itself. */
  readonly client: Redis
  signal(signal: NodeJS.Signals): void
  /** SIGKILL, and gone when it resolves. */
  kill(): Promise<void>
  /** The same port and arguments again, empty. */
  restart(): Promise<void>
}

export interface RedisServerOptions {
  readonly args?: readonly string[]
  readonly port?: number
  /** For the test's own client. */
  readonly password?: string
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

/** Polls until `condition` holds. @throws {Error} naming `what` after `timeoutMs`. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  timeoutMs = 10_000,
): Promise<void> {
  const deadline = performance.now() + timeoutMs
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`)
    await sleep(10)
  }
}

export async function startRedis(options: RedisServerOptions = {}): Promise<RedisServer> {
  const port = options.port ?? (await freePort())
  const folder = mkdtempSync(join(tmpdir(), 'pratu-redis-'))
  // Replicas are served at once, not after five seconds.
  const place = `--port ${port} --bind 127.0.0.1 --repl-diskless-sync-delay 0`.split(' ')
  const args = [...place, '--save', '', '--dir', folder]
  let child = run('redis-server', [...args, ...(options.args ?? [])])
  const client = new Redis({
    host: '127.0.0.1',
    port,
    retryStrategy: () => 20,
    maxRetriesPerRequest: null,
    ...(options.password === undefined ? {} : { password: options.password }),
  })
  client.on('error', () => undefined)
  const kill = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
  try {
    await client.ping()
  } catch (error) {
    await kill()
    throw error
  }
  return {
    port,
    client,
    get pid() {
      return child.pid ?? 0
    },
    signal: (signal) => child.kill(signal),
    kill,
    async restart() {
      await kill()
      child = run('redis-server', [...args, ...(options.args ?? [])])
      await client.ping()
    },
    async [Symbol.asyncDispose]() {
      client.disconnect()
      await kill()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

export interface Sentinel extends AsyncDisposable {
  readonly port: number
}

/** One sentinel that fails over after 500 ms. */
export async function startSentinel(masterName: string, masterPort: number): Promise<Sentinel> {
  const port = await freePort()
  const folder = mkdtempSync(join(tmpdir(), 'pratu-sentinel-'))
  const file = join(folder, 'sentinel.conf')
  writeFileSync(
    file,
    `port ${port}
bind 127.0.0.1
dir ${folder}
sentinel monitor ${masterName} 127.0.0.1 ${masterPort} 1
sentinel down-after-milliseconds ${masterName} 500
sentinel failover-timeout ${masterName} 2000
`,
  )
  const child = run('redis-sentinel', [file])
  const client = new Redis({ host: '127.0.0.1', port, retryStrategy: () => 20 })
  client.on('error', () => undefined)
  await until('the sentinel knows a replica', async () => {
    const replicas = await client.call('SENTINEL', 'REPLICAS', masterName)
    return Array.isArray(replicas) && replicas.length > 0
  })
  client.disconnect()
  return {
    port,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await once(child, 'exit')
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** Three masters with a replica each. */
export async function startCluster(): Promise<
  AsyncDisposable & { readonly nodes: readonly RedisServer[] }
> {
  const args = ['--cluster-enabled', 'yes', '--cluster-node-timeout', '1000']
  const nodes: RedisServer[] = []
  for (let i = 0; i < 6; i++) nodes.push(await startRedis({ args }))
  const addresses = nodes.map(({ port }) => `127.0.0.1:${port}`)
  const creation = run('redis-cli', [
    '--cluster',
    'create',
    ...addresses,
    '--cluster-replicas',
    '1',
    '--cluster-yes',
  ])
  const [code] = await once(creation, 'exit')
  if (code !== 0) throw new Error(`redis-cli --cluster create ended with ${String(code)}`)
  for (const { client } of nodes) {
    await until('the cluster is ok', async () =>
      String(await client.cluster('INFO')).includes('cluster_state:ok'),
    )
  }
  for (const { client } of nodes.slice(3)) {
    await until('the replica has its master’s data', async () =>
      (await client.info('replication')).includes('master_link_status:up'),
    )
  }
  return {
    nodes,
    async [Symbol.asyncDispose]() {
      for (const node of nodes) await node[Symbol.asyncDispose]()
    },
  }
}

function run(command: string, args: readonly string[]): ChildProcess {
  return spawn(command, args, { stdio: 'ignore' })
}
