/** F61: gateways are replaced one after the other behind a load balancer, and no client notices. Needs haproxy and wrk. */
import { execFile, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { freePort } from '../limits/redis-server.ts'
import { ask } from '../lifecycle/load.ts'
import { startPratu, type PratuProcess } from '../pratu-process.ts'

const REPLICAS = 3
const CHECK_SECONDS = 1
/** Longer than the balancer takes to see that a replica is not ready: two checks. */
const DRAIN_MINIMUM = '4s'
const WANTED_REQUESTS = 100_000
const LONGEST_MS = 150_000

const run = promisify(execFile)

interface Balancer extends AsyncDisposable {
  readonly port: number
  /** Replicas that it sends requests to. */
  up(): Promise<number>
}

async function startBalancer(folder: string, replicas: readonly number[]): Promise<Balancer> {
  const [port, statsPort] = [await freePort(), await freePort()]
  const file = join(folder, 'haproxy.cfg')
  const servers = replicas.map((replica, index) => `  server gateway-${index} 127.0.0.1:${replica}`)
  writeFileSync(
    file,
    `global
  maxconn 2000
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  option http-keep-alive
frontend clients
  bind 127.0.0.1:${port}
  default_backend gateways
frontend stats
  bind 127.0.0.1:${statsPort}
  stats enable
  stats uri /
backend gateways
  option httpchk GET /readyz
  default-server check inter ${CHECK_SECONDS}s fall 2 rise 1
${servers.join('\n')}
`,
  )
  const haproxy = spawn('haproxy', ['-f', file, '-db'], { stdio: 'ignore' })
  const gone = new Promise<void>((resolve) => haproxy.once('exit', () => resolve()))
  return {
    port,
    async up() {
      const { text } = await ask({ port: statsPort, path: '/;csv' })
      return text.split('\n').filter((line) => /^gateways,gateway-\d.*,UP,/.test(line)).length
    },
    async [Symbol.asyncDispose]() {
      haproxy.kill('SIGKILL')
      await gone
    },
  }
}

interface Load {
  readonly requests: number
  readonly problems: readonly string[]
}

/** wrk tells of socket errors and of answers other than 2xx only when there were some. */
async function load(port: number, seconds: number): Promise<Load> {
  const url = `http://127.0.0.1:${port}/answered`
  const { stdout } = await run('wrk', ['-t1', '-c32', `-d${seconds}s`, url])
  return {
    requests: Number(/(\d+) requests in/.exec(stdout)?.[1]),
    problems: stdout.split('\n').filter((line) => /Socket errors|Non-2xx/.test(line)),
  }
}

test('F61 three gateways restarted one after the other behind haproxy: 100,000 requests, none fails', async () => {
  const upstream = createServer((_request, response) => response.end('fine'))
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve))
  // With an address, not a pipe.
  const { port: upstreamPort } = upstream.address() as AddressInfo
  const folder = mkdtempSync(join(tmpdir(), 'pratu-rolling-'))
  const ports: number[] = []
  for (let i = 0; i < REPLICAS; i++) ports.push(await freePort())
  const startReplica = (port: number): Promise<PratuProcess> =>
    startPratu({
      configuration: `_format_version: "3.0"
services:
- name: answered
  url: http://127.0.0.1:${upstreamPort}
  routes: [{name: answered, paths: [/answered]}]
`,
      environment: {
        PRATU_PROXY_LISTEN: `127.0.0.1:${port}`,
        PRATU_PROXY_ACCESS_LOG: 'off',
        PRATU_DRAIN_MINIMUM: DRAIN_MINIMUM,
      },
    })
  const replicas = await Promise.all(ports.map(startReplica))
  await using balancer = await startBalancer(folder, ports)
  await expect.poll(() => balancer.up().catch(() => 0)).toBe(REPLICAS)

  let restarted = 0
  const restarting = (async () => {
    for (const [index, port] of ports.entries()) {
      replicas[index]?.signal('SIGTERM')
      const { code } = (await replicas[index]?.exited) ?? { code: -1 }
      expect(code).toBe(0)
      replicas[index] = await startReplica(port)
      await expect.poll(() => balancer.up()).toBe(REPLICAS)
      restarted++
    }
  })()
  const loads: Load[] = []
  const endsAt = performance.now() + LONGEST_MS
  const requests = (): number => loads.reduce((sum, one) => sum + one.requests, 0)
  while ((restarted < REPLICAS || requests() < WANTED_REQUESTS) && performance.now() < endsAt) {
    loads.push(await load(balancer.port, 10))
  }
  await restarting
  expect(loads.flatMap(({ problems }) => problems)).toEqual([])
  expect(requests()).toBeGreaterThanOrEqual(WANTED_REQUESTS)

  await Promise.all(replicas.map((replica) => replica.stop()))
  upstream.close()
  rmSync(folder, { recursive: true })
})
