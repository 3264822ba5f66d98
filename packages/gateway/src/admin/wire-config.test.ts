import { describe, expect, test } from 'vitest'
import { field } from '../config/index.ts'
import { bundledPlugins } from '../plugins/index.ts'
import { describeSchema } from './json-schema.ts'
import { EXAMPLE, givenAdmin } from './testing/given-admin.ts'
import { toMaskedConfig, toWireConfig } from './wire-config.ts'

const schema = describeSchema(
  field.record({
    minute: field.optional(field.number({ gt: 0 })),
    policy: field.enumeration(['local', 'redis'], 'local'),
    redis: field.filled(
      field.record({
        port: field.defaulted(field.integer(), 6379),
        password: field.optional(field.secret()),
      }),
    ),
    rules: field.optional(
      field.array(field.record({ name: field.string(), on: field.boolean(true) })),
    ),
  }),
)

describe('kong.md §4.2 the configuration of a plugin', () => {
  test('has its defaults, and null for what is not set, at every depth', () => {
    expect(toWireConfig(schema ?? {}, { minute: 5, rules: [{ name: 'a' }] })).toEqual({
      minute: 5,
      policy: 'local',
      redis: { port: 6379, password: null },
      rules: [{ name: 'a', on: true }],
    })
  })

  test('has the default of a field that may be null', () => {
    const nullable = describeSchema(
      field.record({ port: field.optional(field.port().meta({ default: 6379 })) }),
    )
    expect(toWireConfig(nullable ?? {}, {})).toEqual({ port: 6379 })
    expect(toWireConfig(nullable ?? {}, { port: 1 })).toEqual({ port: 1 })
  })

  test('shows deprecated names beside the new ones, whichever was written', () => {
    const aliased = describeSchema(
      field.record({
        redis: field.filled(field.record({ host: field.optional(field.host()) })),
        redis_host: field.optional(field.host()),
      }),
    )
    const both = { redis: { host: 'r' }, redis_host: 'r' }
    expect(toWireConfig(aliased ?? {}, { redis: { host: 'r' } })).toEqual(both)
    expect(toWireConfig(aliased ?? {}, { redis_host: 'r' })).toEqual(both)
    expect(toWireConfig(aliased ?? {}, {})).toEqual({ redis: { host: null }, redis_host: null })
  })

  test('keeps fields that the schema does not describe', () => {
    expect(toWireConfig(schema ?? {}, { other: { x: 1 } })).toMatchObject({ other: { x: 1 } })
    expect(toMaskedConfig({ any: ['thing'] })).toEqual({ any: ['thing'] })
    expect(toMaskedConfig(undefined)).toEqual({})
  })
})

describe('S22 secrets in the configuration of a plugin', () => {
  const CANARY = 'canary0123456789'

  test.each([
    { redis: { password: CANARY } },
    { other_api_key: CANARY },
    { header_value: CANARY },
    { headers: { 'x-api-key': CANARY, Authorization: [CANARY] } },
    { add: { headers: [`x-api-key:${CANARY}`, `Authorization: Bearer ${CANARY}`] } },
    { url: `https://user:${CANARY}@host/?api_key=${CANARY}` },
    { deep: [{ deeper: { client_secret: { value: CANARY } } }] },
  ])('%o is masked', (written) => {
    for (const shown of [toWireConfig(schema ?? {}, written), toMaskedConfig(written)]) {
      expect(JSON.stringify(shown)).not.toContain(CANARY)
    }
  })

  test.each(['$(REDIS_PASSWORD)', '{vault://env/redis-password}'])(
    'the reference %s is shown',
    (reference) => {
      expect(toWireConfig(schema ?? {}, { redis: { password: reference } })).toMatchObject({
        redis: { password: reference },
      })
      const headers = [`x-api-key:${reference}`]
      expect(toMaskedConfig({ add: { headers } })).toEqual({ add: { headers } })
    },
  )
})

describe('every bundled plugin', () => {
  test.each(bundledPlugins.map((plugin) => [plugin.name, plugin] as const))(
    "%s has a schema in Kong's form, and is shown with defaults that it accepts itself",
    async (name, plugin) => {
      const admin = givenAdmin({ plugins: bundledPlugins })
      const answer = await admin.call('GET', `/schemas/plugins/${name}`)
      expect(answer.status).toBe(200)
      expect(answer.json()).toMatchObject({
        fields: expect.arrayContaining([{ config: expect.objectContaining({ type: 'record' }) }]),
      })
      const described = describeSchema(plugin.schema)
      expect(described).toBeDefined()
      expect(() => toWireConfig(described ?? {}, {})).not.toThrow()
    },
  )

  test('a configuration of several of them can be read and posted again', async () => {
    const admin = givenAdmin({ plugins: bundledPlugins })
    const text = EXAMPLE.replace(
      'plugins:',
      'plugins:\n  - name: proxy-cache\n    config: {strategy: memory, content_type: [application/json]}\n  - name: key-auth',
    )
    const headers = { 'content-type': 'application/json' }
    const first = await admin.call('POST', '/config', {
      headers,
      body: JSON.stringify({ config: text }),
    })
    expect([first.status, first.status === 201 ? '' : first.text]).toEqual([201, ''])
    const shown = await admin.call('GET', '/config')
    const again = await admin.call('POST', '/config', { headers, body: shown.text })
    expect([again.status, again.status === 201 ? '' : again.text]).toEqual([201, ''])
    expect((await admin.call('GET', '/config')).json()).toEqual(shown.json())
    const plugins = JSON.parse((await admin.call('GET', '/plugins?size=10')).text)
    expect(plugins.data[0]).toMatchObject({
      name: 'proxy-cache',
      config: { strategy: 'memory', content_type: ['application/json'] },
    })
  })
})
