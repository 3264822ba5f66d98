import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { startPratu } from '../pratu-process.ts'
import { runCommand } from '../run-command.ts'

const CLIENTS = fileURLToPath(new URL('./listener-keep-alive.py', import.meta.url))

test('F11 2,000 clients reuse their connection when it has been idle for 75 s: no request is lost', async () => {
  const pratu = await startPratu({
    configuration: '_format_version: "3.0"\n',
    // Between a look at a socket and its close are microseconds, unless the scheduler puts the tests beside in between.
    wrapper: ['nice', '-n', '-20'],
  })
  try {
    // Idle connections are closed at ticks, half a second apart: the spread covers one.
    const { code, stdout, stderr } = await runCommand([
      '/usr/bin/python3',
      CLIENTS,
      String(pratu.proxyPort),
      '2000',
      '75.2',
      '0.5',
    ])
    expect(stderr).toBe('')
    expect(code).toBe(0)
    const ended: unknown = JSON.parse(stdout)
    expect(ended).toMatchObject({ unanswered: 0, keepAlive: ['Keep-Alive: timeout=72'] })
    // The moment was met: some were in time, some found the connection closed.
    expect(ended).toMatchObject({ answered: expect.toSatisfy((count: number) => count > 100) })
    expect(ended).toMatchObject({ closed: expect.toSatisfy((count: number) => count > 100) })
  } finally {
    await pratu.stop()
  }
}, 150_000)
