/** A journal on a real file system that is full (F57). Needs root, for a small file system of its own. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createFileJournal, readSegments } from '../../packages/gateway/src/journal/index.ts'
import { givenRecord } from '../../packages/gateway/src/journal/testing/given-record.ts'
import { createSilentLogger, SHOW_ALL } from '../../packages/gateway/src/observe/index.ts'
import { until } from '../limits/redis-server.ts'
import { runCommand } from '../run-command.ts'

async function run(...command: [string, ...string[]]): Promise<void> {
  const { code, stderr } = await runCommand(command)
  if (code !== 0) throw new Error(`${command.join(' ')}: ${stderr}`)
}

test.each(['always', '1s'] as const)(
  'F57 with sync %s records wait while the disk is full, and are there once when it is not',
  async (sync) => {
    const directory = mkdtempSync(join(tmpdir(), 'pratu-full-'))
    await run('mount', '-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', directory)
    let dropped = 0
    const journal = createFileJournal({
      directory,
      sync,
      writer: 'w',
      retention: { maxBytes: 1e9, maxAgeMs: 1e12 },
      prunes: true,
      maxWaitingBytes: 10e6,
      rule: SHOW_ALL,
      logger: createSilentLogger(),
      events: {
        onWritten: () => undefined,
        onDropped: (records) => {
          dropped += records
        },
      },
      gatherMs: 1,
      retryMs: 20,
    })
    try {
      const ballast = join(directory, 'ballast')
      writeFileSync(ballast, Buffer.alloc(900 * 1024))
      const ids = Array.from({ length: 2000 }, (_, i) => `r${i}`)
      for (const id of ids) journal.append(givenRecord({ id }))
      await until('the disk is full', () => journal.failing)
      let released = false
      journal.appendThen(givenRecord({ id: 'held' }), () => {
        released = true
      })
      expect(released).toBe(true)

      const whileFull: string[] = []
      const report = await readSegments(directory, ({ id }) => whileFull.push(id))
      expect(report.damaged).toBe(0)
      expect(whileFull).toEqual(ids.slice(0, whileFull.length))

      rmSync(ballast)
      await until('it is written again', () => !journal.failing && journal.waitingBytes === 0)
      await journal.close(1000)
      const found: string[] = []
      const { torn, damaged } = await readSegments(directory, ({ id }) => found.push(id))
      expect(found).toEqual([...ids, 'held'])
      expect([torn, damaged, dropped]).toEqual([0, 0, 0])
    } finally {
      await run('umount', '-l', directory)
      rmSync(directory, { recursive: true, force: true })
    }
  },
)
