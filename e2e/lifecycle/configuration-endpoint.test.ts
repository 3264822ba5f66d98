import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { givenGateway } from '../gateway.ts'
import { createConfigurationFile } from './configuration-file.ts'
import { ask } from './load.ts'

function answering(message: string): string {
  return `_format_version: "3.0"
services:
- name: s
  url: http://127.0.0.1:9
  routes:
  - name: r
    paths: [/answer]
    plugins:
    - name: request-termination
      config: {status_code: 200, message: ${message}}
`
}

test('kong.md §4.4 POST /config replaces everything (201), refuses whole (400), knows what it has (304)', async () => {
  await using given = await givenGateway({ configuration: answering('first') })
  const { port, adminPort } = given
  const post = (config: string, query = ''): ReturnType<typeof ask> =>
    ask({ port: adminPort, path: `/config${query}`, body: JSON.stringify({ config }) })
  const answer = async (): Promise<string> => (await ask({ port, path: '/answer' })).text

  const created = await post(answering('second'))
  expect(created.status).toBe(201)
  expect(Object.keys(JSON.parse(created.text) as object)).toContain('services')
  expect(await answer()).toContain('second')

  const refused = await post(answering('third').replace('paths', 'pahts'))
  expect(refused.status).toBe(400)
  expect(JSON.parse(refused.text)).toMatchObject({ code: 14 })
  expect(await answer()).toContain('second')

  const known = await post(answering('second'), '?check_hash=1')
  expect([known.status, known.text]).toEqual([304, ''])
  const status = JSON.parse((await ask({ port: adminPort, path: '/status' })).text) as {
    configuration_hash: string
    pratu: { generation: number; workers: { generation: number }[] }
  }
  expect(status.configuration_hash).toBe(
    createHash('md5').update(answering('second')).digest('hex'),
  )
  expect(status.pratu).toMatchObject({ generation: 2, workers: [{ worker: 0, generation: 2 }] })
})

test('POST /config with a large configuration is read in a thread and serves like any other', async () => {
  await using given = await givenGateway({ configuration: answering('small') })
  const consumers = Array.from(
    { length: 1000 },
    (_, index) => `- username: user-${index}\n  keyauth_credentials:\n  - key: key-${index}`,
  )
  const large = `${answering('large')}plugins:\n- name: key-auth\nconsumers:\n${consumers.join('\n')}\n`
  const created = await ask({
    port: given.adminPort,
    path: '/config',
    body: JSON.stringify({ config: large }),
  })
  expect(created.status).toBe(201)
  const asking = (apikey: string): ReturnType<typeof ask> =>
    ask({ port: given.port, path: '/answer', headers: { apikey } })
  expect((await asking('key-999')).text).toContain('large')
  expect((await asking('key-1000')).status).toBe(401)
  const shown = await ask({ port: given.adminPort, path: '/plugins' })
  expect(shown.text).toContain('"message":"large"')
})

test('SIGHUP and POST /config do not undo each other: a file that did not change is not read again', async () => {
  using file = createConfigurationFile(answering('file'))
  await using given = await givenGateway({
    configuration: '',
    environment: { PRATU_CONFIG: file.path },
  })
  const answer = async (): Promise<string> =>
    (await ask({ port: given.port, path: '/answer' })).text
  await ask({
    port: given.adminPort,
    path: '/config',
    body: JSON.stringify({ config: answering('posted') }),
  })
  file.write(answering('file'))
  await new Promise((resolve) => setTimeout(resolve, 1300))
  expect(await answer()).toContain('posted')
  await given.gateway.reload('signal')
  expect(await answer()).toContain('file')
})
