import { spawn } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { givenGateway } from '../gateway.ts'
import { createConfigurationFile } from './configuration-file.ts'
import { ask } from './load.ts'

const BIN = fileURLToPath(new URL('../../packages/gateway/bin/pratu.js', import.meta.url))

const GOOD = `_format_version: "3.0"
services:
- name: good
  url: http://127.0.0.1:9
  routes:
  - name: good
    paths: [/good]
    plugins:
    - name: request-termination
      config: {status_code: 200, message: good}
`

function aliasBomb(): string {
  const lines = ['_format_version: "3.0"', '_comment: &a0 [x, x, x, x, x, x, x, x, x, x]']
  for (let level = 1; level <= 9; level++) {
    const aliases = Array<string>(10)
      .fill(`*a${level - 1}`)
      .join(', ')
    lines.push(`_ignore${level}: &a${level} [${aliases}]`)
  }
  return `${lines.join('\n')}\n`
}

/** What is wrong, and what an operator must be told. */
const BAD: readonly (readonly [name: string, text: string, told: RegExp])[] = [
  ['an unknown field', GOOD.replace('paths:', 'pahts:'), /unknown field/],
  ['a bad URL', GOOD.replace('http://127.0.0.1:9', 'not a url'), /url/],
  [
    'a pattern that cannot be matched in linear time',
    GOOD.replace('[/good]', () => "['~/(a+)+(?=b)$']"),
    /look-?around|look-?ahead/i,
  ],
  [
    'a missing secret',
    GOOD.replace('http://127.0.0.1:9', '$(NO_SUCH_VARIABLE)'),
    /NO_SUCH_VARIABLE/,
  ],
  [
    'duplicate names',
    `${GOOD}- name: good\n  url: http://127.0.0.1:9\n`,
    /uniqueness violation.*already declared/,
  ],
  ['a wrong type', GOOD.replace('status_code: 200', 'status_code: many'), /integer|number/],
  ['an unknown plugin', GOOD.replace('name: request-termination', 'name: nonsense'), /nonsense/],
  ['no YAML', `${GOOD}  broken: [`, /./],
  ['an empty file', '', /expected an object/],
  ['10 MB', `${GOOD}# ${'x'.repeat(10_000_000)}\n`, /more than \d+ bytes/],
  ['an alias bomb', aliasBomb(), /alias/],
]

async function metric(adminPort: number, line: string): Promise<number> {
  const { text } = await ask({ port: adminPort, path: '/metrics' })
  const found = text.split('\n').find((one) => one.startsWith(`${line} `))
  return Number(found?.slice(line.length + 1))
}

test.each(BAD)('F55 a reload with %s is refused whole and told', async (_name, text, told) => {
  using file = createConfigurationFile(GOOD)
  const log = join(file.folder, 'error.log')
  await using given = await givenGateway({
    configuration: '',
    environment: { PRATU_CONFIG: file.path, PRATU_ERROR_LOG: log },
  })
  const { port, adminPort } = given
  file.replace(text)
  await given.gateway.reload('signal')
  await given.gateway.flushLogs(500)

  expect((await ask({ port, path: '/good' })).text).toContain('good')
  expect((await ask({ port, path: '/readyz' })).status).toBe(200)
  const refused = 'pratu_config_reloads_total{result="failure"}'
  expect(await metric(adminPort, refused)).toBe(1)
  expect(await metric(adminPort, 'pratu_config_generation')).toBe(1)
  const since = await metric(adminPort, 'pratu_config_stale_since_seconds')
  expect(Math.abs(since - Date.now() / 1000)).toBeLessThan(10)
  const status = JSON.parse((await ask({ port: adminPort, path: '/status' })).text) as {
    pratu: { stale_since: string; last_error: { message: string; problems: { message: string }[] } }
  }
  expect(Date.parse(status.pratu.stale_since) / 1000).toBeCloseTo(since, 0)
  const { message, problems } = status.pratu.last_error
  expect([message, ...problems.map((problem) => problem.message)].join('\n')).toMatch(told)
  const line = readFileSync(log, 'utf8')
    .split('\n')
    .find((one) => one.includes('was refused'))
  expect(line).toMatch(told)

  file.replace(`${GOOD}# good again\n`)
  await given.gateway.reload('signal')
  expect(await metric(adminPort, 'pratu_config_stale_since_seconds')).toBe(0)
  expect(await metric(adminPort, 'pratu_config_generation')).toBe(2)
})

test('F55 a file that is gone leaves the configuration in use, and its return is noticed', async () => {
  using file = createConfigurationFile(GOOD)
  await using given = await givenGateway({
    configuration: '',
    environment: { PRATU_CONFIG: file.path },
  })
  const { port, adminPort } = given
  const staleSince = (): Promise<number> => metric(adminPort, 'pratu_config_stale_since_seconds')
  rmSync(file.path)
  await expect.poll(staleSince, { timeout: 4000 }).toBeGreaterThan(0)
  expect((await ask({ port, path: '/good' })).status).toBe(200)
  file.write(GOOD)
  await expect.poll(staleSince, { timeout: 4000 }).toBe(0)
  expect(await metric(adminPort, 'pratu_config_generation')).toBe(1)
})

interface Ended {
  readonly code: number | null
  readonly stderr: string
}

function start(args: readonly string[], environment: Record<string, string> = {}): Promise<Ended> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [BIN, 'start', ...args], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: {
        PATH: process.env['PATH'] ?? '',
        PRATU_PROXY_LISTEN: '127.0.0.1:0',
        PRATU_ADMIN_LISTEN: '127.0.0.1:0',
        ...environment,
      },
    })
    let stderr = ''
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
    child.on('close', (code) => resolve({ code, stderr }))
  })
}

function expectReason({ code, stderr }: Ended, told: RegExp): void {
  expect(stderr).toMatch(told)
  expect(stderr).not.toMatch(/^\s+at .+:\d+/m)
  expect(code).toBe(1)
}

test('F55 a start with a bad configuration exits with 1 and says why, without a stack', async () => {
  await Promise.all(
    BAD.slice(0, 4).map(async ([, text, told]) => {
      using file = createConfigurationFile(text)
      expectReason(await start(['--config', file.path]), told)
    }),
  )
})

test('F55 a start with bad settings exits with 1 and says why, without a stack', async () => {
  const missing = /cannot read \/no\/such\/file\.yml: there is no such file/
  const settings: Record<string, [value: string, told: RegExp]> = {
    PRATU_WORKERS: ['0', /PRATU_WORKERS: '0'/],
    PRATU_NONSENSE: ['1', /PRATU_NONSENSE: there is no such setting/],
    PRATU_ADMIN_TOKEN: ['', /PRATU_ADMIN_TOKEN: it is empty/],
    PRATU_PLUGIN_MODULES: ['./no-such-module.js', /no-such-module\.js.*cannot be loaded/],
    PRATU_PROXY_ACCESS_LOG: ['/no/such/folder/access.log', /proxy access log cannot be written/],
  }
  await Promise.all([
    start(['--config', '/no/such/file.yml']).then((ended) => expectReason(ended, missing)),
    ...Object.entries(settings).map(async ([name, [value, told]]) =>
      expectReason(await start([], { [name]: value }), told),
    ),
  ])
})
