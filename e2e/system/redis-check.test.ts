import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { startChaosProxy } from '../limits/chaos-proxy.ts'
import { limitedConfiguration } from '../limits/limited.ts'
import { freePort, startRedis } from '../limits/redis-server.ts'
import { runCommand } from '../run-command.ts'

const BIN = fileURLToPath(new URL('../../packages/gateway/bin/pratu.js', import.meta.url))

interface Checked {
  readonly ok: boolean
  readonly codes: readonly string[]
  readonly text: string
}

async function check(redis: string): Promise<Checked> {
  const folder = mkdtempSync(join(tmpdir(), 'pratu-check-'))
  const path = join(folder, 'kong.yml')
  writeFileSync(path, limitedConfiguration(['minute: 5', 'policy: redis', `redis: {${redis}}`]))
  try {
    const { stdout } = await runCommand([process.execPath, BIN, 'check', path, '--format', 'json'])
    const result: unknown = JSON.parse(stdout)
    if (typeof result !== 'object' || result === null || !('diagnostics' in result))
      throw new Error(stdout)
    const diagnostics: unknown[] = Array.isArray(result.diagnostics) ? result.diagnostics : []
    const codes = diagnostics.flatMap((one) =>
      typeof one === 'object' && one !== null && 'code' in one ? [String(one.code)] : [],
    )
    return {
      ok: 'ok' in result && result.ok === true,
      codes: codes.filter((code) => code.startsWith('redis-')).toSorted(),
      text: stdout,
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

test('check looks at the Redis that limits count in: several masters, eviction, a password in vain', async () => {
  const args = ['--maxmemory', '8mb', '--maxmemory-policy', 'allkeys-lru']
  await using one = await startRedis({ args })
  await using other = await startRedis({ args })
  await using name = await startChaosProxy([one.port, other.port])
  const checked = await check(`host: 127.0.0.1, port: ${name.port}, password: secret-of-redis`)
  expect(checked).toMatchObject({
    ok: true,
    codes: ['redis-eviction', 'redis-password', 'redis-several-masters'],
  })
  expect(checked.text).toContain(`127.0.0.1:${name.port}/0: several independent Redis masters`)
  expect(checked.text).toContain('plugins[0].config')
  expect(checked.text).not.toContain('secret-of-redis')
})

test('check has nothing to say about a good one, nor about one that it cannot reach', async () => {
  await using redis = await startRedis()
  expect(await check(`host: 127.0.0.1, port: ${redis.port}`)).toMatchObject({ ok: true, codes: [] })
  expect(await check(`host: 127.0.0.1, port: ${await freePort()}`)).toMatchObject({
    ok: true,
    codes: [],
  })
})

test('check does not wait for a Redis that is frozen', async () => {
  await using redis = await startRedis()
  redis.signal('SIGSTOP')
  const startedMs = performance.now()
  expect(await check(`host: 127.0.0.1, port: ${redis.port}`)).toMatchObject({ ok: true, codes: [] })
  // Two seconds of looking, and the program's own start on a busy machine.
  expect(performance.now() - startedMs).toBeLessThan(8_000)
})
