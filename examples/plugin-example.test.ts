import { execFileSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { givenGateway } from '../e2e/gateway.ts'

const PACKAGE = fileURLToPath(new URL('./plugin-example/', import.meta.url))
const COMPILER = fileURLToPath(new URL('../node_modules/typescript/bin/tsc', import.meta.url))
const DIST = `${PACKAGE}dist/built-test`

beforeAll(() => {
  const project = `${PACKAGE}tsconfig.build.json`
  execFileSync(process.execPath, [COMPILER, '-p', project, '--outDir', DIST], { stdio: 'inherit' })
}, 60_000)

afterAll(() => rmSync(DIST, { recursive: true, force: true }))

const upstream = createServer((request, response) => {
  response.end(String(request.headers['x-allowed-team']))
})
beforeAll(() => new Promise<void>((resolve) => void upstream.listen(0, '127.0.0.1', resolve)))
afterAll(() => new Promise<void>((resolve) => void upstream.close(() => resolve())))

function configuration(config: string): string {
  const address = upstream.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  return `
_format_version: "3.0"
services:
- name: echo
  url: http://127.0.0.1:${port}
  routes: [{name: everything, paths: [/]}]
  plugins:
  - name: allowed-teams
    config: ${config}
`
}

const environment = { PRATU_PLUGIN_MODULES: `${DIST}/index.js` }

test('the built package is loaded by PRATU_PLUGIN_MODULES and does its work', async () => {
  await using given = await givenGateway({
    configuration: configuration('{teams: [search]}'),
    environment,
  })
  const passed = await fetch(given.url, { headers: { 'X-Team': 'search' } })
  expect([passed.status, passed.headers.get('x-allowed-team'), await passed.text()]).toEqual([
    200,
    'search',
    'search',
  ])
  const refused = await fetch(given.url, { headers: { 'X-Team': 'sales' } })
  expect(refused.status).toBe(403)
  expect(await refused.json()).toMatchObject({ message: 'X-Team names no team that may pass' })
})

test('its schema judges the file, and its messages name the field', async () => {
  const refused = givenGateway({ configuration: configuration('{teams: []}'), environment })
  await expect(refused).rejects.toMatchObject({
    name: 'ConfigurationRefused',
    failure: {
      problems: [
        { message: 'name at least one team', path: 'services[0].plugins[0].config.teams' },
      ],
    },
  })
})
