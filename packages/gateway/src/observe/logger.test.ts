import { describe, expect, test } from 'vitest'
import { Secret } from '../config/index.ts'
import { GatewayError } from '../errors/index.ts'
import type { LogSink } from './log-sink.ts'
import { createLogger, type LogLevel, type Logger } from './logger.ts'

function given(level: LogLevel = 'debug', format: 'json' | 'text' = 'json') {
  const lines: string[] = []
  const sink: LogSink = {
    terminal: false,
    write: (text) => lines.push(text),
    flush: () => Promise.resolve(),
    flushSync: () => undefined,
    close: () => undefined,
  }
  const logger: Logger = createLogger({ level, sink, format })
  return { logger, lines, last: (): unknown => JSON.parse(lines.at(-1) ?? '') }
}

describe('log lines', () => {
  test('are JSON with level, time, message and members, one per line', () => {
    const { logger, lines, last } = given()
    logger.child({ worker: 2 }).warn('reload refused', { problems: 3 })
    expect(lines[0]?.endsWith('}\n')).toBe(true)
    expect(last()).toEqual({
      level: 'warn',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      worker: 2,
      problems: 3,
      msg: 'reload refused',
    })
  })

  test('below the level cost nothing and are not written', () => {
    const { logger, lines } = given('warn')
    let looked = false
    logger.info('hidden', {
      get costly() {
        looked = true
        return 1
      },
    })
    expect(lines).toEqual([])
    expect(looked).toBe(false)
    expect(logger.isEnabled('info')).toBe(false)
    expect(logger.isEnabled('error')).toBe(true)
  })

  test('carry an error with its code, detail and cause', () => {
    const { logger, last } = given()
    const cause = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })
    const error = new GatewayError('upstream_unreachable', { target: 'a:1' }, { cause })
    logger.error('a request failed', { error })
    expect(last()).toMatchObject({
      error: {
        name: 'GatewayError',
        code: 'upstream_unreachable',
        detail: { target: 'a:1' },
        cause: { message: 'connect ECONNREFUSED', code: 'ECONNREFUSED' },
        stack: expect.stringContaining('GatewayError'),
      },
    })
  })

  test('never throw, whatever is logged', () => {
    const { logger, lines } = given()
    const circular: Record<string, unknown> = { big: 10n, when: new Date(Number.NaN), fn: () => 1 }
    circular['self'] = circular
    logger.info('odd', {
      circular,
      bytes: new Uint8Array(5),
      many: Array.from({ length: 500 }, (_, index) => index),
      get broken(): never {
        throw new Error('accessor')
      },
    })
    logger.info('odd', { circular, bytes: new Uint8Array(5), long: 'y'.repeat(100_000) })
    expect(lines).toHaveLength(2)
    expect(lines[1]).toContain('"self":"[circular]"')
    expect(lines[1]).toContain('"bytes":"[5 bytes]"')
    expect(lines[1]?.length).toBeLessThan(10_000)
  })

  test('a member cannot pass itself off as level or message', () => {
    const { logger, last } = given()
    logger.info('real', { level: 'fatal', msg: 'forged' })
    expect(last()).toMatchObject({ level: 'info', msg: 'real', level_: 'fatal', msg_: 'forged' })
  })
})

describe('S22 secrets', () => {
  const CANARY = 'sk-canary-0123456789abcdef'

  test('appear nowhere: not as Secret, header, URL, user info, error text, nested or in a stack', () => {
    const { logger, lines } = given()
    const error = new Error(`GET https://host/v1?key=${CANARY} failed`, {
      cause: new Error(`https://user:${CANARY}@host/ refused Bearer ${CANARY}`),
    })
    logger.error(`cannot call https://host/?api_key=${CANARY}`, {
      error,
      secret: new Secret(CANARY),
      provider: { apiKeys: [new Secret(CANARY)], api_key: CANARY, 'x-api-key': CANARY },
      headers: { Authorization: `Bearer ${CANARY}`, cookie: CANARY },
      map: new Map([['password', CANARY]]),
      text: `Authorization: Bearer ${CANARY}`,
      bytes: Buffer.from(CANARY),
    })
    logger.child({ token: CANARY }).info('x')
    const text = lines.join('')
    expect(text).not.toContain(CANARY)
    expect(text).not.toContain(Buffer.from(CANARY).toString('base64'))
    expect(text).not.toContain(CANARY.slice(0, 12))
    expect(lines).toHaveLength(2)
  })
})

describe('a terminal', () => {
  test('gets one short readable line', () => {
    const { logger, lines } = given('info', 'text')
    logger.warn('reload refused', { file: 'kong.yml', problems: 3, why: 'two words' })
    // oxlint-disable-next-line no-control-regex -- the escape that starts a colour
    const plain = (lines[0] ?? '').replaceAll(/\u001B\[[\d;]*m/g, '')
    expect(plain).toMatch(
      /^\d\d:\d\d:\d\d warn {2}reload refused file=kong\.yml problems=3 why="two words"\n$/,
    )
  })

  test('S20 is not steered by what a client sent', () => {
    const { logger, lines } = given('info', 'text')
    logger.warn('bad path \u001B[2J\u0007\r\n', { path: '\u001B]0;title\u0007' })
    expect(lines[0]).not.toContain('\u001B[2J')
    expect(lines[0]).not.toContain('\u0007')
    expect(lines[0]).toContain('\\x1b[2J')
    expect(lines[0]?.split('\n')).toHaveLength(2)
  })

  test('shows the stack of an error below', () => {
    const { logger, lines } = given('info', 'text')
    logger.error('failed', { error: new Error('outer', { cause: new Error('inner') }) })
    expect(lines[0]).toMatch(/failed\n {2}Error: outer\n {2} {4}at [\s\S]*\n {2}Error: inner/)
  })
})
