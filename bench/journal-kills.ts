/**
 * What a usage journal knows after its gateway was killed at random under load, 200 times (F77, T12).
 *
 * Usage: npm run bench -- journal-kills [--kills 200] [--sync always|1s|never] [--workers 1] [--seed text]
 * Exits with 1 when an answer that a client had is missing, counted twice or counted wrong.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { judgeKills, killAtRandom, type KillsGiven } from '../e2e/journal/kills.ts'

const { values: options } = parseArgs({
  options: {
    kills: { type: 'string', default: '200' },
    sync: { type: 'string', default: 'always' },
    workers: { type: 'string', default: '1' },
    seed: { type: 'string', default: 'bench' },
  },
})

function syncOf(text: string): KillsGiven['sync'] {
  if (text === 'always' || text === '1s' || text === 'never') return text
  throw new Error(`--sync: '${text}' is none of always, 1s, never`)
}

const sync = syncOf(options.sync)
const kills = Number(options.kills)
const directory = mkdtempSync(join(tmpdir(), 'pratu-kills-'))
try {
  const result = await killAtRandom({
    directory,
    sync,
    kills,
    workers: Number(options.workers),
    seed: options.seed,
    loadMs: sync === 'always' ? [30, 600] : [1200, 1800],
    onKill: (round) => process.stderr.write(`\r${round + 1} of ${kills} kills`),
  })
  const problems = judgeKills(result, sync)
  process.stderr.write('\n')
  const { delivered, records, torn } = result
  process.stdout.write(
    `sync ${sync}: ${kills} kills, ${delivered.length} answers delivered, ${records.length} records, ` +
      `${torn} torn ends left out, ${problems.length} problems\n`,
  )
  for (const problem of problems.slice(0, 20)) process.stdout.write(`  ${problem}\n`)
  process.exitCode = problems.length === 0 ? 0 : 1
} finally {
  rmSync(directory, { recursive: true, force: true })
}
