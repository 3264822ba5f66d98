/** What a journal knows after the gateway was killed at random under load. 200 kills: `npm run bench -- journal-kills`. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { judgeKills, killAtRandom } from '../journal/kills.ts'

let directory = ''
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'pratu-kills-'))
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

test('F77 T12 with sync always nothing that was delivered is lost, in 16 kills', async () => {
  const result = await killAtRandom({ directory, sync: 'always', kills: 16, loadMs: [30, 400] })
  expect(judgeKills(result, 'always')).toEqual([])
  expect(result.delivered.length).toBeGreaterThan(16)
}, 180_000)

test('F77 T12 with sync 1s nothing that was delivered a second before is lost, in 4 kills of two workers', async () => {
  const result = await killAtRandom({
    directory,
    sync: '1s',
    kills: 4,
    workers: 2,
    loadMs: [1200, 1800],
  })
  expect(judgeKills(result, '1s')).toEqual([])
  const old = result.delivered.filter(({ beforeKillMs }) => beforeKillMs > 1000)
  expect(old.length).toBeGreaterThan(4)
}, 120_000)
