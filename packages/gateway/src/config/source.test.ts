import { mkdir, mkdtemp, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'

import { parseConfiguration, readConfigurationSources } from './index.ts'
import { testPlugins } from './testing/parse.ts'

async function folder(files: Record<string, string>): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'config-'))
  for (const [name, text] of Object.entries(files)) {
    await mkdir(join(root, name, '..'), { recursive: true })
    await writeFile(join(root, name), text)
  }
  return root
}

async function load(path: string) {
  return parseConfiguration(await readConfigurationSources({ kind: 'path', path }), {
    plugins: testPlugins,
    enabledPlugins: 'bundled',
    environment: {},
  })
}

test('a file is read by its name; other types are refused in Kong’s words', async () => {
  const root = await folder({ 'kong.yml': 'a: 1', 'kong.json': '{}', 'kong.txt': '' })
  expect(await readConfigurationSources({ kind: 'path', path: join(root, 'kong.yml') })).toEqual([
    { name: join(root, 'kong.yml'), text: 'a: 1', format: 'yaml' },
  ])
  expect(
    await readConfigurationSources({ kind: 'path', path: join(root, 'kong.json') }),
  ).toMatchObject([{ format: 'json' }])
  expect(await readConfigurationSources({ kind: 'text', text: '{}' })).toEqual([
    { name: '<string>', text: '{}' },
  ])
  await expect(
    readConfigurationSources({ kind: 'path', path: join(root, 'kong.txt') }),
  ).rejects.toThrow(/unknown file type: .*kong\.txt\. \(Accepted types: json, yaml\)/)
})

test('what cannot be read says why', async () => {
  await expect(
    readConfigurationSources({ kind: 'path', path: '/nowhere/kong.yml' }),
  ).rejects.toThrow('cannot read /nowhere/kong.yml: there is no such file or directory')
  const empty = await folder({ 'notes.txt': '' })
  await expect(readConfigurationSources({ kind: 'path', path: empty })).rejects.toThrow(
    /holds no configuration: a directory needs at least one \.yml, \.yaml or \.json file/,
  )
})

test('a directory’s files are merged in the order of their names', async () => {
  const root = await folder({
    '10-routes.yml':
      '_format_version: "3.0"\nservices:\n- {name: s, host: h}\nroutes:\n- {name: r, service: s, paths: [/x]}\n',
    '20-keys.json':
      '{"consumers": [{"username": "a"}], "keyauth_credentials": [{"consumer": "a", "key": "k"}]}',
    '30-more.yaml':
      '_format_version: "3.0"\nroutes: [{name: q, service: s, paths: [/y]}]\nconsumers:\n',
    '.hidden.yml': 'broken: [',
  })
  const parsed = await load(root)
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems))
  expect(parsed.entities.routes.map(({ name }) => name)).toEqual(['r', 'q'])
  expect(parsed.entities.credentials).toHaveLength(1)
  expect(parsed.text).toContain('"name":"q"')
})

test('a mounted ConfigMap is read once, through its links', async () => {
  const root = await folder({
    '..2026_01_01/kong.yml': '_format_version: "3.0"\nservices: [{name: s, host: h}]\n',
  })
  await symlink('..2026_01_01', join(root, '..data'))
  await symlink('..data/kong.yml', join(root, 'kong.yml'))
  expect(await load(root)).toMatchObject({ ok: true, entities: { services: [{ name: 's' }] } })
})

test('problems are placed in the file that they are in', async () => {
  const root = await folder({
    'a.yml': '_format_version: "3.0"\nservices:\n- {name: s, host: h}\n- {name: t, hots: h}\n',
    'b.yml': 'services:\n- {name: u, host: h}\n- name: v\n  port: "80"\n  host: h\n',
  })
  const parsed = await load(root)
  expect(
    parsed.ok
      ? []
      : parsed.problems.map(({ file, line, path }) => [file.slice(root.length + 1), line, path]),
  ).toEqual([
    ['a.yml', 4, 'services[1].host'],
    ['a.yml', 4, 'services[1].hots'],
    ['b.yml', 4, 'services[1].port'],
  ])
})

test('fields that contradict each other name both places', async () => {
  const root = await folder({
    'a.yml': '_format_version: "3.0"\ncompatibility: kong\n',
    'b.yml': '_format_version: "3.0"\n_transform: true\ncompatibility: pratu\n',
  })
  const parsed = await load(root)
  expect(parsed).toMatchObject({
    ok: false,
    problems: [
      {
        file: join(root, 'b.yml'),
        line: 3,
        message: "'compatibility' is given twice with different values",
        hint: `the other one is at ${join(root, 'a.yml')}:2:16`,
      },
    ],
  })
})

test('locate finds an entity and its fields; the hash follows the text', async () => {
  const root = await folder({
    'a.yml': '_format_version: "3.0"\nservices:\n- name: s\n  host: h\n',
  })
  const parsed = await load(root)
  if (!parsed.ok) throw new Error('refused')
  const id = parsed.entities.services[0]?.id ?? ''
  expect(parsed.locate(id)).toEqual({ file: join(root, 'a.yml'), line: 3, column: 3 })
  expect(parsed.locate(id, 'host')).toMatchObject({ line: 4, column: 9 })
  expect(parsed.locate('no-such-id')).toBeUndefined()
  expect(parsed.hash).toMatch(/^[0-9a-f]{32}$/)
})
