import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { givenGateway } from '../gateway.ts'
import { startPratu } from '../pratu-process.ts'
import {
  admin,
  ask,
  at,
  configure,
  givenKong,
  givenUpstream,
  refusals,
  type GivenUpstream,
} from './support.ts'

const folder = mkdtempSync(join(tmpdir(), 'kong-supply-'))
let upstream: GivenUpstream

beforeAll(async () => {
  upstream = await givenUpstream()
})
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true })
  await upstream[Symbol.asyncDispose]()
})

const yamlFor = (path: string): string =>
  `_format_version: "3.0"\nservices: [{url: "${upstream.url}", routes: [{paths: [${path}]}]}]\n`
const jsonFor = (path: string): string =>
  JSON.stringify({
    _format_version: '3.0',
    services: [{ url: upstream.url, routes: [{ paths: [path] }] }],
  })

function file(name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

/** A gateway whose configuration comes from these variables alone. */
const started = (environment: Readonly<Record<string, string>>) =>
  givenGateway({ configuration: '', environment })

describe('kong.md §1.1 how a configuration is supplied', () => {
  test.each([
    ['a .yml file', () => file('a.yml', yamlFor('/a'))],
    ['a .yaml file', () => file('a.yaml', yamlFor('/a'))],
    ['a .json file', () => file('a.json', jsonFor('/a'))],
  ])('KONG_DECLARATIVE_CONFIG: %s', async (_name, path) => {
    await using given = await started({ KONG_DECLARATIVE_CONFIG: path() })
    expect((await ask(given.port, { path: '/a' })).status).toBe(200)
  })

  test('a file of another type is refused with Kong’s words', async () => {
    const path = file('kong.conf', yamlFor('/a'))
    await expect(started({ KONG_DECLARATIVE_CONFIG: path })).rejects.toThrow(
      `unknown file type: ${path}. (Accepted types: json, yaml)`,
    )
  })

  test.each([
    ['YAML', () => yamlFor('/s')],
    ['JSON', () => jsonFor('/s')],
  ])('KONG_DECLARATIVE_CONFIG_STRING: %s', async (_name, text) => {
    await using given = await started({ KONG_DECLARATIVE_CONFIG_STRING: text() })
    expect((await ask(given.port, { path: '/s' })).status).toBe(200)
  })

  test('with both, the file wins', async () => {
    await using given = await started({
      KONG_DECLARATIVE_CONFIG: file('both.yml', yamlFor('/file')),
      KONG_DECLARATIVE_CONFIG_STRING: yamlFor('/string'),
    })
    expect((await ask(given.port, { path: '/file' })).status).toBe(200)
    expect((await ask(given.port, { path: '/string' })).status).toBe(404)
  })

  test('with neither, everything is 404 and the node is not ready', async () => {
    await using given = await started({ KONG_DATABASE: 'off' })
    const answer = await ask(given.port, { path: '/' })
    expect(answer.status).toBe(404)
    expect(at(JSON.parse(answer.text), 'message')).toBe('no Route matched with those values')
    const ready = await admin(given, '/status/ready')
    expect(ready.status).toBe(503)
    expect(ready.json).toEqual({
      message: 'no configuration available (empty configuration present)',
    })
  })

  test('a file that cannot be read as YAML fails the start: exit code, and the reason on standard error', async () => {
    const failed = await startPratu({
      configuration: '_format_version: "3.0"\nservices: [\n',
    }).then(async (process) => {
      await process.stop()
      return 'it started'
    }, String)
    expect(failed).toContain('the program ended with 1')
    expect(failed).toContain('kong.yml:')
  })
})

describe('kong.md §1.1 the YAML dialect, as the running gateway understands it', () => {
  test('words for booleans, octal and sexagesimal numbers, null, anchors and merge keys', async () => {
    await using given = await givenKong({})
    const answer = await configure(
      given,
      `_format_version: "3.0"
_ignore:
- &common {retries: 010, connect_timeout: 1:30, read_timeout: ~}
services:
- {<<: *common, name: one, host: one.test, enabled: Off}
- {<<: *common, name: two, host: two.test, enabled: yes, retries: 0}
`,
    )
    expect(answer.status).toBe(201)
    const { json } = await admin(given, '/services')
    expect(at(json, 'data')).toMatchObject([
      { name: 'one', enabled: false, retries: 8, connect_timeout: 90, read_timeout: 60_000 },
      { name: 'two', enabled: true, retries: 0, connect_timeout: 90 },
    ])
  })

  test('only the first document is read', async () => {
    await using given = await givenKong({})
    const answer = await configure(
      given,
      '_format_version: "3.0"\nconsumers: [{username: first}]\n---\nconsumers: [{username: second}]\n',
    )
    expect(answer.status).toBe(201)
    const { json } = await admin(given, '/consumers')
    expect(at(json, 'data')).toMatchObject([{ username: 'first' }])
  })

  test.each([
    ['an unquoted version', '_format_version: 3.0\n', '_format_version: expected a string'],
    [
      'a list as the root',
      '- a\n',
      '@entity: failed parsing declarative configuration: expected an object',
    ],
    [
      'a text as the root',
      'hello\n',
      '@entity: failed parsing declarative configuration: expected an object',
    ],
  ])('%s is refused', async (_name, text, reason) => {
    await using given = await givenKong({})
    expect(await refusals(given, text)).toEqual([reason])
  })
})
