import { definePlugin } from '@pratu/plugin-kit'
import { expect, test } from 'vitest'

import { field, parseConfiguration } from './index.ts'

const limiter = definePlugin({
  name: 'rate-limiting',
  priority: 910,
  schema: field
    .record({
      minute: field.optional(field.number({ gt: 0 })),
      policy: field.enumeration(['local', 'redis'], 'local'),
    })
    .transform(({ minute, policy }) => ({ minute, policy })),
  create: () => ({}),
})

const options = { plugins: [limiter], enabledPlugins: 'bundled', environment: {} } as const

test('a simple file gives its services, routes, plugins, consumers and credentials', () => {
  const parsed = parseConfiguration(
    [
      {
        name: 'kong.yml',
        text: `
_format_version: "3.0"
services:
- name: ai
  url: https://api.example.com/v1/chat/completions
  routes:
  - name: chat
    paths: [/v1/chat]
    strip_path: false
  plugins:
  - name: rate-limiting
    config: {minute: 100}
consumers:
- username: alice
  keyauth_credentials:
  - key: secret-key
`,
      },
    ],
    options,
  )
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems, null, 1))
  const { services, routes, plugins, consumers, credentials } = parsed.entities
  expect(services[0]).toMatchObject({
    host: 'api.example.com',
    port: 443,
    protocol: 'https',
    path: '/v1/chat/completions',
    aiFormat: 'openai-chat',
    readTimeoutMs: 600_000,
  })
  expect(routes[0]).toMatchObject({
    serviceId: services[0]?.id,
    paths: ['/v1/chat'],
    stripPath: false,
  })
  expect(plugins[0]).toMatchObject({
    name: 'rate-limiting',
    config: { minute: 100, policy: 'local' },
  })
  expect(credentials[0]).toMatchObject({
    consumerId: consumers[0]?.id,
    kind: 'keyauth_credentials',
  })
})

test('problems carry file, line, column, path and a hint', () => {
  const parsed = parseConfiguration(
    [
      {
        name: 'kong.yml',
        text: `_format_version: "3.0"
services:
- name: ai
  hots: api.example.com
  plugins:
  - name: rate-limiting
    config: {minute: 100, policy: lcoal}
`,
      },
    ],
    options,
  )
  expect(parsed.ok).toBe(false)
  if (parsed.ok) return
  expect(
    parsed.problems.map(({ line, column, path, message, hint }) => ({
      line,
      column,
      path,
      message,
      hint,
    })),
  ).toEqual([
    {
      line: 3,
      column: 3,
      path: 'services[0].host',
      message: 'required field missing',
      hint: undefined,
    },
    {
      line: 4,
      column: 3,
      path: 'services[0].hots',
      message: 'unknown field',
      hint: "did you mean 'host'?",
    },
    {
      line: 7,
      column: 35,
      path: 'services[0].plugins[0].config.policy',
      message: 'expected one of: local, redis',
      hint: "did you mean 'local'?",
    },
  ])
})
