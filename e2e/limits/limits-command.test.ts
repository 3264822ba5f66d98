/** `pratu limits` and `/limits` of a running gateway. */
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { givenGateway } from '../gateway.ts'
import { runCommand } from '../run-command.ts'

const BIN = fileURLToPath(new URL('../../packages/gateway/bin/pratu.js', import.meta.url))

function runPratu(args: readonly string[]) {
  return runCommand([process.execPath, BIN, ...args])
}

const CONFIGURATION = `_format_version: "3.0"
services:
- name: echo
  url: http://127.0.0.1:1
  retries: 0
  routes: [{name: echo, paths: [/]}]
consumers:
- username: alice
  keyauth_credentials: [{key: key-of-alice}]
- username: bob
plugins:
- {name: key-auth, config: {key_names: [x-key]}}
- {name: rate-limiting, config: {hour: 10, day: 100}}
`

test.each(['1', '2'])('with %s workers limits are shown and reset', async (workers) => {
  await using it = await givenGateway({
    configuration: CONFIGURATION,
    environment: { PRATU_WORKERS: workers },
  })
  for (let i = 0; i < 3; i++)
    await (await fetch(it.url, { headers: { 'x-key': 'key-of-alice' } })).text()
  const limits = (...args: string[]) => runPratu(['limits', ...args, '--admin-url', it.adminUrl])

  const shown = await limits('show')
  expect(shown.code).toBe(0)
  expect(shown.stdout).toMatch(/ratelimit:\S+:hour {2}10 requests per hour, in memory/)
  expect(shown.stdout).toMatch(/ {2}alice \(\S+\) {2}3 used, 7 left/)
  expect(shown.stdout).toMatch(/ {2}alice \(\S+\) {2}3 used, 97 left/)
  expect(shown.stdout).not.toContain('bob')

  const json: unknown = JSON.parse((await limits('show', '--consumer', 'bob', '--json')).stdout)
  expect(json).toMatchObject({
    data: expect.arrayContaining([
      expect.objectContaining({
        limit: 10,
        scopes: [expect.objectContaining({ name: 'bob', used: 0 })],
      }),
    ]),
  })

  const reset = await limits('reset', '--consumer', 'alice')
  expect([reset.code, reset.stdout]).toEqual([0, expect.stringContaining('limits begin anew')])
  expect((await limits('show')).stdout).not.toContain('alice')
})

test('what cannot be done is told', async () => {
  await using it = await givenGateway({ configuration: CONFIGURATION })
  const limits = (...args: string[]) => runPratu(['limits', ...args, '--admin-url', it.adminUrl])
  const nobody = await limits('reset', '--consumer', 'nobody')
  expect([nobody.code, nobody.stderr]).toEqual([1, "there is no consumer 'nobody'\n"])
  const everybody = await limits('reset')
  expect([everybody.code, everybody.stderr]).toEqual([1, expect.stringContaining('say whose')])
  const nowhere = await runPratu(['limits', 'show', '--admin-url', 'http://127.0.0.1:1'])
  expect([nowhere.code, nowhere.stderr]).toEqual([1, expect.stringContaining('ECONNREFUSED')])
})
