import { mkdirSync, renameSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { appendFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { givenGateway, type GivenGateway } from '../gateway.ts'
import { createConfigurationFile } from './configuration-file.ts'
import { ask } from './load.ts'

function routes(...messages: readonly string[]): string {
  const rows = messages.map(
    (message) => `
  - name: ${message}
    paths: [/${message}]
    plugins:
    - name: request-termination
      config: {status_code: 200, message: ${message}}`,
  )
  return `_format_version: "3.0"\nservices:\n- name: s\n  url: http://127.0.0.1:9\n  routes:${rows.join('')}\n`
}

async function given(path: string): Promise<GivenGateway> {
  return givenGateway({ configuration: '', environment: { PRATU_CONFIG: path } })
}

async function generation({ adminPort }: GivenGateway): Promise<number> {
  const { text } = await ask({ port: adminPort, path: '/metrics' })
  return Number(/^pratu_config_generation (\d+)$/m.exec(text)?.[1])
}

async function statusOf({ port }: GivenGateway, message: string): Promise<number> {
  return (await ask({ port, path: `/${message}` })).status
}

test('F56 a file that is truncated and written slowly is applied once, whole', async () => {
  using file = createConfigurationFile(routes('before'))
  await using gateway = await given(file.path)
  // Every prefix that ends with a route is a valid configuration.
  const whole = routes('one', 'two', 'three', 'four', 'five')
  const pieces = whole.split(/(?=\n  - name)/)
  await writeFile(file.path, '')
  for (const piece of pieces) {
    await sleep(250)
    await appendFile(file.path, piece)
    expect(await generation(gateway)).toBe(1)
  }
  await expect.poll(() => generation(gateway), { timeout: 4000 }).toBe(2)
  expect(await statusOf(gateway, 'five')).toBe(200)
  expect(await statusOf(gateway, 'before')).toBe(404)
  const reloads = (await ask({ port: gateway.adminPort, path: '/metrics' })).text
  expect(reloads).toContain('pratu_config_reloads_total{result="success"} 2')
  expect(reloads).not.toContain('pratu_config_reloads_total{result="failure"}')
})

test("F56 the swap of a ConfigMap's ..data link is noticed within 2 s", async () => {
  using file = createConfigurationFile('')
  const volume = join(file.folder, 'volume')
  mkdirSync(volume)
  const put = (version: string, text: string): void => {
    mkdirSync(join(volume, `..${version}`))
    writeFileSync(join(volume, `..${version}`, 'kong.yml'), text)
    symlinkSync(`..${version}`, join(volume, '..data_tmp'))
    renameSync(join(volume, '..data_tmp'), join(volume, '..data'))
  }
  put('1', routes('first'))
  symlinkSync('..data/kong.yml', join(volume, 'kong.yml'))
  for (const path of [join(volume, 'kong.yml'), volume]) {
    const version = path === volume ? 'folder' : 'file'
    await using gateway = await given(path)
    put(version, routes(version))
    const startedAt = performance.now()
    await expect.poll(() => statusOf(gateway, version), { timeout: 4000, interval: 20 }).toBe(200)
    expect(performance.now() - startedAt).toBeLessThan(2000)
  }
})

test('F56 a thousand touches a second make no new generation and hide no change', async () => {
  using file = createConfigurationFile(routes('before'))
  await using gateway = await given(file.path)
  let touches = 0
  const touching = setInterval(() => {
    for (let i = 0; i < 10; i++) utimesSync(file.path, new Date(), new Date(Date.now() + touches++))
  }, 10)
  try {
    await sleep(500)
    // A busy machine does not get to a thousand a second.
    expect(touches).toBeGreaterThan(50)
    expect(await generation(gateway)).toBe(1)
    file.write(routes('after'))
    await expect.poll(() => statusOf(gateway, 'after'), { timeout: 4000 }).toBe(200)
  } finally {
    clearInterval(touching)
  }
  expect(await generation(gateway)).toBe(2)
})

test('F56 a change between the start and the first look is not missed', async () => {
  using file = createConfigurationFile(routes('before'))
  const starting = given(file.path)
  file.replace(routes('after'))
  await using gateway = await starting
  await expect.poll(() => statusOf(gateway, 'after'), { timeout: 4000 }).toBe(200)
})
