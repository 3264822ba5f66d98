import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { givenExchange } from '@pratu/plugin-kit/testing'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createLogs } from './logs.ts'
import { createMetrics } from './metrics.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pratu-logs-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

test('kong.md §5 logs go where KONG_PROXY_ACCESS_LOG and KONG_ADMIN_ACCESS_LOG say; one destination has one writer', async () => {
  const path = join(folder, 'all.log')
  const logs = createLogs({
    settings: { logLevel: 'info', errorLog: path, proxyAccessLog: path, adminAccessLog: 'off' },
    metrics: createMetrics(),
    gatherMs: 1,
  })
  logs.logger.info('started')
  logs.proxyAccess.exchange({
    ...givenExchange(),
    outcome: 'ok',
    tries: [],
    annotations: undefined,
  })
  expect(logs.adminAccess.enabled).toBe(false)
  expect([...logs.sinks.keys()]).toEqual([path])
  await logs.flush(500)
  const lines = readFileSync(path, 'utf8').trimEnd().split('\n')
  expect(lines.map((line) => Object.keys(JSON.parse(line))[0])).toEqual(['level', 'started_at'])
  logs.close()
})

test('a destination that cannot be opened is told with the name of the log', () => {
  const settings = {
    logLevel: 'info',
    errorLog: 'off',
    proxyAccessLog: join(folder, 'no/folder/access.log'),
    adminAccessLog: 'off',
  } as const
  expect(() => createLogs({ settings, metrics: createMetrics() })).toThrow(
    /^the proxy access log cannot be written to .*no\/folder\/access\.log: ENOENT/,
  )
})

test('F58 dropped lines are in the metrics, and told in the log once the reader has caught up', async () => {
  const metrics = createMetrics()
  const settings = {
    logLevel: 'info',
    errorLog: join(folder, 'error.log'),
    proxyAccessLog: 'off',
    adminAccessLog: 'off',
  } as const
  const logs = createLogs({ settings, metrics, maxBytes: 2000, gatherMs: 1 })
  for (let index = 0; index < 100; index += 1) logs.logger.info('line', { pad: 'x'.repeat(100) })
  const dropped = metrics.total('pratu_log_dropped_total', [settings.errorLog])
  expect(dropped).toBeGreaterThan(50)
  await logs.flush(500)
  await logs.flush(500)
  const last: unknown = JSON.parse(
    readFileSync(settings.errorLog, 'utf8').trimEnd().split('\n').at(-1) ?? '',
  )
  expect(last).toMatchObject({ level: 'warn', lines: dropped, destination: settings.errorLog })
  logs.close()
})
