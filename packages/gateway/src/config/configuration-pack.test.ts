import { inspect } from 'node:util'
import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads'
import { definePlugin } from '@pratu/plugin-kit'
import { expect, test } from 'vitest'

import {
  type ConfigurationPack,
  unpackConfiguration,
  unpackWrittenConfigs,
} from './configuration-pack.ts'
import * as field from './fields.ts'
import { parseConfiguration } from './parse-configuration.ts'

const plugin = definePlugin({
  name: 'my-limit',
  priority: 1,
  schema: field
    .record({
      minute: field.integer(),
      password: field.optional(field.secret()),
    })
    .transform(({ minute, password }) => ({ minute, password, names: new Map([['a', minute]]) })),
  create: () => ({}),
})

const text = `
_format_version: "3.0"
providers:
- name: openai
  api_key: [one, $(SECOND)]
services:
- name: ai
  url: https://a.example.com/v1/chat/completions
  provider: openai
  tags: [x]
  routes:
  - name: r
    paths: [/v1]
    headers: {X-Tenant: [a, b]}
  - paths: [/anonymous]
plugins:
- {name: my-limit, service: ai, config: {minute: 5, password: $(SECOND)}}
- {name: my-limit, route: r, config: {minute: 5, password: $(SECOND)}}
- {name: my-limit, config: {minute: 6}}
consumers:
- username: alice
  acls: [{group: g}]
  keyauth_credentials: [{key: k1}]
upstreams:
- name: u
  targets: [{target: a:80}]
`

function parse(source = text) {
  const parsed = parseConfiguration([{ name: 'kong.yml', text: source }], {
    plugins: [plugin],
    enabledPlugins: 'bundled',
    environment: { SECOND: 'second-key' },
  })
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems))
  return parsed
}

function travel(pack: ConfigurationPack): ConfigurationPack {
  const { port1, port2 } = new MessageChannel()
  port1.postMessage(
    pack,
    pack.portions.map(({ buffer }) => buffer),
  )
  const received: { message: ConfigurationPack } | undefined = receiveMessageOnPort(port2)
  port1.close()
  if (received === undefined) throw new Error('nothing arrived')
  return received.message
}

test('a configuration arrives in another thread as it was, ids and secrets included', async () => {
  const parsed = parse()
  const arrived = travel(parsed.pack())
  const entities = await unpackConfiguration(arrived, { plugins: [plugin] })
  expect(inspect(entities, { depth: 9 })).toBe(inspect(parsed.entities, { depth: 9 }))
  expect(entities.providers[0]?.apiKeys.map((key) => key.reveal())).toEqual(['one', 'second-key'])
  expect(arrived).toMatchObject({ hash: parsed.hash })
  const [first, second, third] = entities.plugins
  expect(first?.config).toBe(second?.config)
  expect(first?.config).toMatchObject({ minute: 5, names: new Map([['a', 5]]) })
  expect(third?.config).not.toBe(first?.config)
  expect(Object.isFrozen(entities.routes[0])).toBe(true)
})

test('what was written for a plugin arrives too, with references instead of what they stand for', () => {
  const parsed = parse()
  const written = unpackWrittenConfigs(travel(parsed.pack()).writtenConfigs)
  const [first, , third] = parsed.entities.plugins
  expect(written.get(first?.id ?? '')).toEqual({ minute: 5, password: '$(SECOND)' })
  expect(parsed.writtenConfig(first?.id ?? '')).toEqual({ minute: 5, password: '$(SECOND)' })
  expect(written.get(third?.id ?? '')).toEqual({ minute: 6 })
  expect(parsed.writtenConfig('no such plugin')).toBeUndefined()
})

test('unpacking yields to the event loop between slices', async () => {
  const many = Array.from({ length: 3000 }, (_, i) => `- {name: r${i}, paths: [/p${i}]}`).join('\n')
  const parsed = parse(`_format_version: "3.0"\nroutes:\n${many}\n`)
  let turns = 0
  const turn = (): void => {
    turns++
    if (turns < 1000) next = setImmediate(turn)
  }
  let next = setImmediate(turn)
  const entities = await unpackConfiguration(parsed.pack(), { plugins: [plugin], sliceMs: 0 })
  clearImmediate(next)
  expect(entities.routes).toHaveLength(3000)
  expect(turns).toBeGreaterThanOrEqual(14)
})

test('a thread without the plugin refuses instead of guessing', async () => {
  const pack = parse().pack()
  await expect(unpackConfiguration(pack, { plugins: [] })).rejects.toThrow(
    /'my-limit' is not the same/,
  )
})
