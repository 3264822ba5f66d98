/** Budgets in memory and the limits that upstreams declare, through a restart (F64, kong.md §3.19). */
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { join } from 'node:path'
import { givenGateway } from '../gateway.ts'
import { givenAiLimited } from '../limits/ai-limited.ts'

let directory = ''
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'pratu-restart-'))
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

interface Shown {
  readonly data: readonly {
    readonly id: string
    readonly scopes: readonly { readonly used: number }[]
  }[]
}

async function usedAt(adminUrl: string): Promise<number> {
  const answer = await fetch(`${adminUrl}/limits?scope=everything`)
  const { data } = (await answer.json()) as Shown
  return data.find(({ id }) => id.startsWith('ai-limits:'))?.scopes[0]?.used ?? -1
}

test.each(['1', '2'])(
  'F64 with %s workers a budget in memory is where it was after a restart',
  async (workers) => {
    const environment = { PRATU_JOURNAL_DIR: directory, PRATU_WORKERS: workers }
    await using before = await givenAiLimited({
      limits:
        '{name: tokens, quantity: total_tokens, limit: 100000, window: day, by: everything, reserve_output: 10}',
      environment,
    })
    let tokens = 0
    for (let i = 0; i < 6; i++) {
      const answer = await before.ask()
      const { usage } = (await answer.json()) as { usage: { total_tokens: number } }
      tokens += usage.total_tokens
    }
    await expect.poll(() => usedAt(before.adminUrl)).toBe(tokens)
    await before.gateway.drain({ minimumMs: 0, timeoutMs: 1000 })

    const again = { configuration: before.configuration, environment }
    const after = await givenGateway(again)
    expect(await usedAt(after.adminUrl)).toBe(tokens)
    const reset = await fetch(`${after.adminUrl}/limits?scope=everything`, { method: 'DELETE' })
    expect(reset.status).toBe(200)
    await after.gateway.drain({ minimumMs: 0, timeoutMs: 1000 })

    await using last = await givenGateway(again)
    expect(await usedAt(last.adminUrl)).toBe(0)
  },
)

test('kong.md §3.19 what an upstream declares is limited in the whole process', async () => {
  const told: (string | string[] | undefined)[] = []
  const upstream = createServer((request, response) => {
    told.push(request.headers['x-ratelimit-remaining-video'])
    response.setHeader('X-Kong-Limit', 'video=3').end('film')
  }).listen(0, '127.0.0.1')
  await once(upstream, 'listening')
  const address = upstream.address()
  const port = typeof address === 'object' ? (address?.port ?? 0) : 0
  try {
    await using it = await givenGateway({
      configuration: `_format_version: "3.0"
services: [{name: films, url: "http://127.0.0.1:${port}", routes: [{paths: [/]}]}]
plugins: [{name: response-ratelimiting, config: {limits: {video: {day: 5}}}}]
`,
      environment: { PRATU_WORKERS: '2' },
    })
    const ask = async (): Promise<unknown[]> => {
      const answer = await fetch(it.url, { headers: { Connection: 'close' } })
      const left = answer.headers.get('x-ratelimit-remaining-video-day')
      return [answer.status, left, answer.headers.get('x-kong-limit'), await answer.text()]
    }
    expect(await ask()).toEqual([200, '2', null, 'film'])
    expect(await ask()).toEqual([200, '0', null, 'film'])
    expect(await ask()).toEqual([429, '0', null, ''])
    expect(told).toEqual(['5', '2', '0'])
  } finally {
    upstream.close()
    await once(upstream, 'close')
  }
})

test('a budget in memory without a journal is told at start', async () => {
  const log = join(directory, 'error.log')
  const limits = '{name: tokens, quantity: total_tokens, limit: 5, window: day}'
  const started = async (environment: Readonly<Record<string, string>>): Promise<string> => {
    await using it = await givenAiLimited({
      limits,
      environment: { PRATU_ERROR_LOG: log, ...environment },
    })
    await it.gateway.flushLogs(1000)
    return readFileSync(log, 'utf8')
  }
  expect(await started({ PRATU_JOURNAL_DIR: join(directory, 'journal') })).not.toContain(
    'begin at zero',
  )
  expect(await started({})).toContain('begin at zero after a restart')
})
