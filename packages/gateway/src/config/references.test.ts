import { describe, expect, test } from 'vitest'

import { accept, parse, refuse } from './testing/parse.ts'

const environment = {
  REDIS_PASSWORD: 'p@ss: "word"',
  OPENAI_API_KEY: 'sk-0123456789',
  HOST: 'backend',
  EMPTY: '',
  APP_TOKEN: 'app-token',
  JSON_SECRET: '{"user": "u", "n": 1}',
  MY_KEY_PREVIOUS: 'older-key',
}

describe('kong.md §1.9 and architecture §4 references to the environment', () => {
  test('$(NAME) inside a text, {vault://env/name} as a whole text', () => {
    const { services, credentials, providers } = accept(
      `
services: [{name: s, host: "$(HOST).svc.local"}]
consumers: [{username: a, keyauth_credentials: [{key: "{vault://env/openai-api-key}"}]}]
providers: [{name: openai, api_key: ["$(OPENAI_API_KEY)", "{vault://env/openai_api_key}"]}]
`,
      { environment },
    )
    expect(services[0]?.host).toBe('backend.svc.local')
    expect(credentials).toHaveLength(1)
    expect(providers[0]?.apiKeys.map((key) => key.reveal())).toEqual([
      'sk-0123456789',
      'sk-0123456789',
    ])
  })

  test('any text may be a reference, and what it becomes is not read as YAML', () => {
    const { plugins } = accept(
      'plugins: [{name: rate-limiting, config: {minute: 1, redis: {password: "$(REDIS_PASSWORD)"}}}]',
      { environment },
    )
    expect(plugins[0]?.config).toMatchObject({
      redis: { password: { reveal: expect.any(Function) } },
    })
    expect(JSON.stringify(plugins)).not.toContain('p@ss')
  })

  test('templates of the request-transformer stay untouched', () => {
    const headers = [
      'x: $(headers.x)',
      'y: $(query_params["a"] or "b")',
      'z: $(uri_captures[1])',
      'q: ${NAME}',
    ]
    const { plugins } = accept(
      `plugins: [{name: request-transformer, config: {add: {headers: ${JSON.stringify(headers)}}}}]`,
    )
    expect(plugins[0]?.config).toEqual({ add: { headers } })
  })

  test('vaults with a prefix, a prefix of the reference, members of JSON, older versions', () => {
    const { consumers } = accept(
      `
vaults: [{prefix: my-env, name: env, config: {prefix: app_}}]
consumers:
- {username: "{vault://my-env/token}"}
- {username: "{vault://env/token?prefix=APP_}", custom_id: "{vault://env/json-secret/user}"}
- {custom_id: "{vault://env/my-key#2}"}
`.replace('- {username: "{vault://env/token?prefix=APP_}", ', '- {'),
      { environment },
    )
    expect(consumers.map(({ username, customId }) => [username, customId])).toEqual([
      ['app-token', undefined],
      [undefined, 'u'],
      [undefined, 'older-key'],
    ])
    expect(
      accept('consumers: [{username: "{vault://env/token?prefix=APP_}"}]', { environment })
        .consumers[0]?.username,
    ).toBe('app-token')
  })

  test('F55 an unresolved reference names file, line and variable, and nothing else about that field', () => {
    const parsed = parse(
      '_format_version: "3.0"\nservices:\n- name: s\n  host: $(HOTS)\n  url: ~\n',
      { environment },
    )
    expect(parsed).toMatchObject({
      ok: false,
      problems: [
        {
          file: 'kong.yml',
          line: 4,
          column: 9,
          path: 'services[0].host',
          message: '$(HOTS) cannot be resolved: the environment variable HOTS is not set',
          hint: "did you mean 'HOST'?",
        },
      ],
    })
    expect(
      refuse(
        'consumers: [{username: "{vault://env/nope}"}, {username: "{vault://aws/x}"}, {username: "{vault://env/json-secret/n}"}, {username: "{vault://x}"}]',
        { environment },
      ),
    ).toEqual([
      'consumers[0].username: {vault://env/nope} cannot be resolved: the environment variable NOPE is not set',
      "consumers[1].username: {vault://aws/x} names the vault 'aws', which does not exist",
      "consumers[2].username: {vault://env/json-secret/n} needs the environment variable JSON_SECRET to be a flat JSON object with the text 'n'",
      'consumers[3].username: {vault://x} is not a vault reference',
    ])
  })

  test('S12 an empty variable does not make an empty key', () => {
    expect(
      refuse('consumers: [{username: a, keyauth_credentials: [{key: $(EMPTY)}]}]', { environment }),
    ).toEqual(['consumers[0].keyauth_credentials[0].key: length must be at least 1'])
  })

  test('S22 a resolved value never shows up in a message, an excerpt or the text', () => {
    const body = `services: [{name: s, host: "$(REDIS_PASSWORD)"}]`
    const refused = parse(`_format_version: "3.0"\n${body}\n`, { environment })
    expect(JSON.stringify(refused)).not.toContain('p@ss')
    expect(refused.ok ? '' : refused.problems[0]?.message).toBe('invalid value: $(REDIS_PASSWORD)')
    const accepted = parse(
      '_format_version: "3.0"\nproviders: [{name: openai, api_key: $(OPENAI_API_KEY)}]\n',
      { environment },
    )
    expect(accepted.ok && accepted.text).toContain('$(OPENAI_API_KEY)')
    expect(accepted.ok && accepted.text).not.toContain('sk-0123456789')
  })

  test('a number stays a number: a reference is text', () => {
    expect(
      refuse('services: [{name: s, host: h, port: $(PORT)}]', { environment: { PORT: '80' } }),
    ).toEqual(['services[0].port: expected an integer'])
  })

  test('kong.md §1.6 vaults are judged', () => {
    expect(
      refuse(
        'vaults: [{prefix: env, name: env}, {prefix: A, name: env}, {prefix: ok, name: aws}, {name: env}]',
      ),
    ).toEqual([
      'vaults[0].prefix: the name of a vault type cannot be a prefix',
      'vaults[1].prefix: invalid value: A',
      'vaults[2].name: expected one of: env',
      'vaults[3].prefix: required field missing',
    ])
  })
})
