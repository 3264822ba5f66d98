import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  closeSync,
  constants,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MessageChannel } from 'node:worker_threads'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { createPortLogSink, receiveLogs } from './log-port.ts'
import { createLogSink, type LogSink } from './log-sink.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pratu-log-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

/** A pipe whose reader we are: it reads when the test says so. */
function givenPipe(): { readonly path: string; read(): string; close(): void } {
  const path = join(folder, 'pipe')
  execFileSync('mkfifo', [path])
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  return {
    path,
    read() {
      const chunk = Buffer.alloc(1024 * 1024)
      let text = ''
      for (;;) {
        try {
          const bytes = readSync(fd, chunk)
          if (bytes === 0) return text
          text += chunk.toString('utf8', 0, bytes)
        } catch (error) {
          if (error instanceof Error && 'code' in error && error.code === 'EAGAIN') return text
          throw error
        }
      }
    },
    close: () => closeSync(fd),
  }
}

const KILOBYTE = `${'x'.repeat(1023)}\n`

describe('F58 a log reader that does not read', () => {
  test('never blocks: lines wait up to the cap, then they are dropped and counted', async () => {
    const pipe = givenPipe()
    let dropped = 0
    const sink = createLogSink({
      destination: pipe.path,
      maxBytes: 256 * 1024,
      gatherMs: 1,
      onDropped: (lines) => (dropped += lines),
    })
    const started = performance.now()
    for (let index = 0; index < 2000; index += 1) sink.write(KILOBYTE)
    expect(performance.now() - started).toBeLessThan(500)
    await sink.flush(50)
    // 64 KiB fit into the pipe itself.
    expect(dropped).toBeGreaterThanOrEqual(2000 - 256 - 64)
    expect(dropped).toBeLessThan(2000)
    sink.close()
    pipe.close()
  })

  test('once it reads again, whole lines arrive in order and the loss is told', async () => {
    const pipe = givenPipe()
    const recovered: number[] = []
    let dropped = 0
    const sink = createLogSink({
      destination: pipe.path,
      maxBytes: 200_000,
      gatherMs: 1,
      onDropped: (lines) => (dropped += lines),
      onRecovered: (lines) => recovered.push(lines),
    })
    for (let index = 0; index < 5000; index += 1)
      sink.write(`${JSON.stringify({ index, pad: 'é'.repeat(40) })}\n`)
    await sink.flush(20)
    expect(dropped).toBeGreaterThan(0)
    let text = ''
    await vi.waitFor(() => {
      text += pipe.read()
      expect(recovered).toEqual([dropped])
    })
    text += pipe.read()
    const indexes = text
      .trimEnd()
      .split('\n')
      .map((line) => Number(/"index":(\d+)/.exec(line)?.[1]))
    expect(indexes).toEqual(Array.from({ length: 5000 - dropped }, (_, index) => index))
    sink.close()
    pipe.close()
  })

  test.each(['flush', 'flushSync'])(
    'does not hold the exit for more than 500 ms (%s)',
    async (how) => {
      const child = spawn(
        process.execPath,
        [join(import.meta.dirname, 'testdata/stuck-exit.ts'), how],
        {
          stdio: ['ignore', 'pipe', 'pipe'],
        },
      )
      child.stdout.pause()
      let report = ''
      child.stderr.setEncoding('utf8').on('data', (text: string) => (report += text))
      // The exit, not the close: nobody ever reads the child's output.
      const [code] = await once(child, 'exit')
      expect(code).toBe(0)
      await vi.waitFor(() => expect(report).toMatch(/^\d+ \d+\n$/))
      const [ms = Number.NaN, dropped = Number.NaN] = report.trim().split(' ').map(Number)
      expect(ms).toBeLessThan(500)
      expect(dropped).toBeGreaterThan(0)
      child.stdout.destroy()
    },
  )
})

describe('F57 a destination that fails', () => {
  test('a full disk is survived: lines are kept up to the cap, the rest is counted', async () => {
    let dropped = 0
    const sink = createLogSink({
      destination: '/dev/full',
      maxBytes: 4096,
      gatherMs: 1,
      onDropped: (lines) => (dropped += lines),
    })
    for (let index = 0; index < 10; index += 1) sink.write(KILOBYTE)
    await sink.flush(20)
    expect(dropped).toBe(6)
    sink.flushSync(20)
    expect(dropped).toBe(6)
    sink.close()
    expect(dropped).toBeGreaterThan(6)
  })

  test('a reader that is gone for good costs nothing but the count', async () => {
    const pipe = givenPipe()
    let dropped = 0
    const sink = createLogSink({
      destination: pipe.path,
      gatherMs: 1,
      onDropped: (lines) => (dropped += lines),
    })
    pipe.close()
    sink.write(KILOBYTE)
    await sink.flush(500)
    expect(dropped).toBe(1)
    sink.write(KILOBYTE)
    expect(dropped).toBe(2)
    sink.close()
  })

  test('a path that cannot be opened is told when the log is opened', () => {
    expect(() => createLogSink({ destination: join(folder, 'no/such/folder') })).toThrow('ENOENT')
  })
})

describe('a file', () => {
  test('is appended to in order, and flush resolves when it is there', async () => {
    const path = join(folder, 'access.log')
    for (const run of ['a', 'b']) {
      const sink = createLogSink({ destination: path, gatherMs: 1 })
      for (let index = 0; index < 300; index += 1) sink.write(`${run}${index} ${KILOBYTE}`)
      await sink.flush(2000)
      sink.close()
    }
    const starts = readFileSync(path, 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => line.split(' ')[0])
    const expected = (run: string) => Array.from({ length: 300 }, (_, index) => `${run}${index}`)
    expect(starts).toEqual([...expected('a'), ...expected('b')])
  })
})

describe('lines of workers', () => {
  function collect(): { readonly sink: LogSink; readonly lines: string[] } {
    const lines: string[] = []
    const sink: LogSink = {
      terminal: false,
      write: (text) => lines.push(...text.trimEnd().split('\n')),
      flush: () => Promise.resolve(),
      flushSync: () => undefined,
      close: () => undefined,
    }
    return { sink, lines }
  }

  test('reach the sink of the main thread that the worker named', async () => {
    const { port1, port2 } = new MessageChannel()
    const { sink, lines } = collect()
    receiveLogs(port1, new Map([['/dev/stdout', sink]]))
    const worker = createPortLogSink(port2, { log: '/dev/stdout', gatherMs: 1 })
    worker.write('one\n')
    worker.write('two\n')
    await worker.flush(500)
    expect(lines).toEqual(['one', 'two'])
    worker.close()
    port1.close()
  })

  test('F58 of several logs on one port are bounded apart', async () => {
    const { port1, port2 } = new MessageChannel()
    port1.on('message', ({ log, bytes }: { log: string; bytes: number }) => {
      if (log === 'access') port1.postMessage({ kind: 'log-receipt', log, bytes })
    })
    let dropped = 0
    const onDropped = (lines: number): void => void (dropped += lines)
    const access = createPortLogSink(port2, { log: 'access', gatherMs: 1 })
    const unread = createPortLogSink(port2, {
      log: 'error',
      maxBytes: 2000,
      gatherMs: 1,
      onDropped,
    })
    unread.write(KILOBYTE)
    access.write(KILOBYTE)
    await access.flush(500)
    unread.write(KILOBYTE)
    expect(dropped).toBe(1)
    access.close()
    unread.close()
    port1.close()
  })

  test('F58 are bounded when the main thread does not take them', async () => {
    const { port1, port2 } = new MessageChannel()
    let dropped = 0
    const worker = createPortLogSink(port2, {
      log: '/dev/stdout',
      maxBytes: 10 * 1024,
      gatherMs: 1,
      onDropped: (lines) => (dropped += lines),
    })
    for (let index = 0; index < 20; index += 1) worker.write(KILOBYTE)
    await worker.flush(20)
    expect(dropped).toBe(10)
    worker.close()
    port1.close()
  })
})
