/** Budgets in a Redis that loses its memory: every gateway counts again what it charged (F64). */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startSimulator } from '@pratu/simulator'
import { test } from 'vitest'
import { chat } from '../gateway.ts'
import { startRedis, until } from '../limits/redis-server.ts'
import { scrape } from '../metrics-text.ts'
import { startPratu, type PratuProcess } from '../pratu-process.ts'

const LIMIT =
  '{name: tokens, quantity: total_tokens, limit: 1000000, window: day, by: everything, reserve_output: 10}'

async function whenRedisIsInUse({ adminUrl }: PratuProcess): Promise<void> {
  await until('Redis is in use', async () => {
    const { samples } = await scrape(adminUrl)
    return samples.some(({ name, value }) => name === 'pratu_limits_degraded' && value === 0)
  })
}

interface Shown {
  readonly data: readonly {
    readonly id: string
    readonly scopes: readonly { readonly used?: number; readonly unknown?: boolean }[]
  }[]
}

async function usedAt({ adminUrl }: PratuProcess): Promise<number> {
  const answer = await fetch(`${adminUrl}/limits?scope=everything`)
  const { data } = (await answer.json()) as Shown
  return data.find(({ id }) => id.startsWith('ai-limits:'))?.scopes[0]?.used ?? -1
}

async function spend({ proxyUrl }: PratuProcess, calls: number): Promise<number> {
  let tokens = 0
  await Promise.all(
    Array.from({ length: calls }, async () => {
      const answer = await fetch(`${proxyUrl}/v1/chat/completions`, chat())
      const { usage } = (await answer.json()) as { usage: { total_tokens: number } }
      tokens += usage.total_tokens
    }),
  )
  return tokens
}

test.each([
  ['their journals in files', true],
  ['what they remember', false],
])(
  'F64 after a restart of Redis without its data, and after FLUSHALL, from %s',
  async (_what, isFile) => {
    const folder = mkdtempSync(join(tmpdir(), 'pratu-emptied-'))
    const redis = await startRedis()
    const simulator = await startSimulator()
    const configuration = `_format_version: "3.0"
services:
- name: chat
  url: ${simulator.url}/v1/chat/completions
  routes: [{name: chat, paths: [/v1/chat/completions], strip_path: false}]
plugins:
- name: ai-limits
  config:
    policy: redis
    redis: {host: 127.0.0.1, port: ${redis.port}, deadline: 5000}
    limits: [${LIMIT}]
`
    const gateways: PratuProcess[] = []
    try {
      for (const name of ['a', 'b']) {
        const environment = {
          PRATU_DRAIN_MINIMUM: '0s',
          PRATU_DRAIN_TIMEOUT: '200ms',
          ...(isFile ? { PRATU_JOURNAL_DIR: join(folder, name) } : {}),
        }
        const gateway = await startPratu({ configuration, environment })
        gateways.push(gateway)
        await whenRedisIsInUse(gateway)
      }
      const [a, b] = gateways
      if (a === undefined || b === undefined) throw new Error('two gateways were started')
      let tokens = (await spend(a, 7)) + (await spend(b, 5))
      await until('all is settled', async () => (await usedAt(a)) === tokens)

      await redis.kill()
      await redis.restart()
      await until('the restarted Redis knows it again', async () => (await usedAt(a)) === tokens)

      tokens += (await spend(a, 3)) + (await spend(b, 3))
      await until('what came after counts too', async () => (await usedAt(b)) === tokens)
      await redis.client.flushall()
      await until('the emptied Redis knows it again', async () => (await usedAt(b)) === tokens)

      // Once: a second look changes nothing.
      tokens += await spend(b, 1)
      await until('it goes on from there', async () => (await usedAt(a)) === tokens)
    } finally {
      for (const gateway of gateways) await gateway.stop()
      await simulator.close()
      await redis[Symbol.asyncDispose]()
      rmSync(folder, { recursive: true, force: true })
    }
  },
)
