import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import {
  isMessage,
  limitedConfiguration,
  startLimited,
  statuses,
  type Limited,
} from '../limits/limited.ts'
import { freePort, startRedis, until } from '../limits/redis-server.ts'
import { scrape, sumOf } from '../metrics-text.ts'
import { aMinuteWithRoomFor } from '../minute.ts'

const limits = (redis: string): string =>
  limitedConfiguration([
    'minute: 100',
    'limit_by: header',
    'header_name: x-who',
    'policy: redis',
    `redis: {${redis}}`,
  ])

async function inUse({ gateways }: Limited): Promise<void> {
  for (const { adminUrl } of gateways) {
    await until(
      'Redis is in use',
      async () => sumOf((await scrape(adminUrl)).samples, 'pratu_limits_degraded') === 0,
    )
  }
}

test('F68 several workers of several gateways share one limit, one connection each', async () => {
  await using redis = await startRedis({ args: ['--requirepass', 'p4ss'], password: 'p4ss' })
  await using limited = await startLimited(
    2,
    limits(`host: 127.0.0.1, port: ${redis.port}, password: $(REDIS_PASSWORD), deadline: 5000`),
    () => ({ environment: { PRATU_WORKERS: '2', REDIS_PASSWORD: 'p4ss' } }),
  )
  for (const { log } of limited.gateways) {
    await until(
      'both workers are connected',
      () => log.filter(isMessage('Redis is connected')).length === 2,
    )
  }
  await inUse(limited)
  await until('the looks of the inspection are over', async () => {
    const clients = String(await redis.client.client('LIST'))
    return clients.split('\n').filter((line) => line.includes('name=pratu ')).length === 4
  })
  for (let run = 0; run < 5; run++) {
    await aMinuteWithRoomFor(5_000)
    expect(statuses(await limited.burst(500, `run-${run}`))).toEqual({ 200: 100, 429: 400 })
  }
})

test('TLS: a verified certificate and a name of its own; one that nobody vouches for is refused', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'pratu-redis-tls-'))
  const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
  const subject = '-subj /CN=redis.test -addext subjectAltName=DNS:redis.test'.split(' ')
  const files = ['-keyout', key, '-out', certificate]
  const kind = '-x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2'.split(' ')
  execFileSync('openssl', ['req', ...kind, ...files, ...subject], { stdio: 'ignore' })
  const port = await freePort()
  const tls = `--tls-port ${port} --tls-auth-clients no`.split(' ')
  const pem = [
    '--tls-cert-file',
    certificate,
    '--tls-key-file',
    key,
    '--tls-ca-cert-file',
    certificate,
  ]
  await using _redis = await startRedis({ args: [...tls, ...pem] })
  const secure = limits(
    `host: 127.0.0.1, port: ${port}, ssl: true, ssl_verify: true, server_name: redis.test, deadline: 5000`,
  )
  await using trusting = await startLimited(1, secure, () => ({
    environment: { PRATU_CA_BUNDLE: certificate },
  }))
  await inUse(trusting)
  await aMinuteWithRoomFor(5_000)
  expect(statuses(await trusting.burst(150, 'a'))).toEqual({ 200: 100, 429: 50 })

  await using wary = await startLimited(1, secure)
  const line = await wary.gateways[0]?.waitForLog(isMessage('Redis cannot be reached'))
  expect(String(line?.['reason'])).toMatch(/self-signed certificate/)
  rmSync(folder, { recursive: true })
})
