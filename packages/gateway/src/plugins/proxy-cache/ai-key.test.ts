import { Tenant } from '@pratu/plugin-kit'
import { givenExchange, type ExchangeGiven } from '@pratu/plugin-kit/testing'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readRequestFacts } from '../../ai/index.ts'
import { answerKey, tenantOf } from './ai-key.ts'

const OPTIONS = { ignorePathCase: false, varyQuery: [], varyHeaders: [] }
const BODY = {
  model: 'm',
  messages: [
    { role: 'system', content: 'be brief' },
    { role: 'user', content: 'hi' },
  ],
}
const CONSUMER = { scope: 'consumer', scopeTag: '' } as const

function keyOf(
  body: unknown,
  given: ExchangeGiven = {},
  scope: Parameters<typeof tenantOf>[1] = CONSUMER,
): string {
  const exchange = givenExchange({
    method: 'POST',
    target: '/v1/chat/completions',
    service: { aiFormat: 'openai-chat' },
    consumer: { id: 'alice' },
    ...given,
  })
  const bytes = Buffer.from(typeof body === 'string' ? body : JSON.stringify(body))
  const facts = readRequestFacts('openai-chat', bytes)
  if (facts === undefined) throw new Error('not acceptable')
  return answerKey(tenantOf(exchange, scope), exchange, OPTIONS, facts).digest
}

describe('F76 any difference is a miss', () => {
  const user = { role: 'user', content: 'hi' }
  const bodies: Record<string, unknown> = {
    'nothing else': BODY,
    model: { ...BODY, model: 'n' },
    system: { ...BODY, messages: [{ role: 'system', content: 'be long' }, user] },
    'order of messages': { ...BODY, messages: BODY.messages.toReversed() },
    tools: { ...BODY, tools: [{ type: 'function', function: { name: 'f' } }] },
    'another tool': { ...BODY, tools: [{ type: 'function', function: { name: 'g' } }] },
    tool_choice: { ...BODY, tool_choice: 'required' },
    response_format: { ...BODY, response_format: { type: 'json_object' } },
    seed: { ...BODY, seed: 1 },
    'another seed': { ...BODY, seed: 2 },
    'a seed as text': { ...BODY, seed: '1' },
    stop: { ...BODY, stop: ['x'] },
    'stop as text': { ...BODY, stop: 'x' },
    presence_penalty: { ...BODY, presence_penalty: 1 },
    frequency_penalty: { ...BODY, frequency_penalty: 1 },
    temperature: { ...BODY, temperature: 0 },
    'temperature that is null': { ...BODY, temperature: null },
    top_p: { ...BODY, top_p: 0.5 },
    n: { ...BODY, n: 2 },
    logprobs: { ...BODY, logprobs: true },
    modalities: { ...BODY, modalities: ['text', 'audio'] },
    user: { ...BODY, user: 'u' },
    'an unknown member': { ...BODY, x_unknown: true },
    'an unknown option of a stream': { ...BODY, stream: true, stream_options: { x: 1 } },
    'options of a stream without a stream': { ...BODY, stream_options: { include_usage: true } },
  }

  test('in the body', () => {
    const keys = Object.entries(bodies).map(([name, body]) => [keyOf(body), name] as const)
    expect(new Map(keys).size).toBe(keys.length)
  })

  test('around the body: tenant, route, service, path, query and what providers take as fields', () => {
    const given: ExchangeGiven[] = [
      {},
      { consumer: { id: 'bob' } },
      { consumer: null },
      { consumer: null, headers: { Authorization: 'Bearer one' } },
      { consumer: null, headers: { Authorization: 'Bearer two' } },
      { route: { id: 'other' } },
      { service: { id: 'other', aiFormat: 'openai-chat' } },
      { target: '/v2/chat/completions' },
      { target: '/v1/chat/completions?api-version=1' },
      { headers: { 'anthropic-version': '2023-06-01' } },
      { headers: { 'anthropic-beta': 'b' } },
      { headers: { 'OpenAI-Organization': 'o' } },
      { headers: { 'X-Forwarded-Host': 'evil.test' } },
      { headers: { Authorization: 'Bearer three' } },
    ]
    const keys = given.map((one) => keyOf(BODY, one))
    expect(new Set(keys).size).toBe(given.length)
  })

  test('numbers that JavaScript cannot tell apart', () => {
    const seed = (digits: string) => `{"model":"m","messages":[],"seed":${digits}}`
    expect(keyOf(seed('9007199254740993'))).not.toBe(keyOf(seed('9007199254740992')))
    expect(keyOf(seed('1e400'))).not.toBe(keyOf(seed('null')))
    expect(keyOf(seed('1e400'))).not.toBe(keyOf(seed('1e500')))
  })

  test('order of members, white space, escapes and the form of the answer do not matter', () => {
    const key = keyOf(BODY)
    expect(keyOf(JSON.stringify(BODY, null, 2))).toBe(key)
    expect(keyOf({ messages: BODY.messages, model: 'm' })).toBe(key)
    expect(keyOf(JSON.stringify(BODY).replace('"hi"', String.raw`"\u0068i"`))).toBe(key)
    expect(keyOf({ ...BODY, stream: true })).toBe(key)
    expect(keyOf({ ...BODY, stream: false })).toBe(key)
    const options = { include_usage: true, include_obfuscation: false }
    expect(keyOf({ ...BODY, stream: true, stream_options: options })).toBe(key)
    expect(keyOf(BODY, { headers: { Accept: 'text/event-stream', 'User-Agent': 'x' } })).toBe(key)
  })

  test('for any two bodies the keys are equal exactly when the bodies mean the same', () => {
    const bodyArbitrary = fc.dictionary(fc.string({ maxLength: 4 }), fc.jsonValue({ maxDepth: 2 }))
    const meaning = (body: Record<string, unknown>) =>
      JSON.stringify(sorted(JSON.parse(JSON.stringify(body))))
    fc.assert(
      fc.property(bodyArbitrary, bodyArbitrary, (one, two) => {
        fc.pre(
          readRequestFacts('openai-embeddings', Buffer.from(JSON.stringify(one))) !== undefined,
        )
        const digest = (body: object) =>
          readRequestFacts('openai-embeddings', Buffer.from(JSON.stringify(body)))?.digest
        expect(digest(one) === digest(two)).toBe(meaning(one) === meaning(two))
      }),
    )
  })
})

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  const names = Object.keys(value).sort()
  return names.map((name) => [name, sorted(Reflect.get(value, name))])
}

describe('S31 whose answers', () => {
  const exchange = (given: ExchangeGiven) => givenExchange(given)

  test('a consumer’s, by default; a tag’s or everyone’s only where the file says so', () => {
    const alice = exchange({ consumer: { id: 'alice', tags: ['x', 'team:blue'] } })
    expect(tenantOf(alice, CONSUMER).id).toBe(Tenant.consumer('alice').id)
    expect(tenantOf(alice, { scope: 'tag', scopeTag: 'team:' }).id).toBe('tag:team:blue')
    expect(tenantOf(alice, { scope: 'global', scopeTag: '' })).toBe(Tenant.everyone)
  })

  test('who has no such tag shares with nobody', () => {
    const bob = exchange({ consumer: { id: 'bob', tags: ['x'] } })
    expect(tenantOf(bob, { scope: 'tag', scopeTag: 'team:' }).id).toBe('consumer:bob')
  })

  test('unknown callers are told apart by what they bring along', () => {
    const of = (token: string) =>
      tenantOf(exchange({ consumer: null, headers: { apikey: token } }), CONSUMER).id
    expect(of('one')).not.toBe(of('two'))
    expect(of('one')).not.toContain('one')
  })

  test('members of one tenant share although their credentials differ', () => {
    const shared = { scope: 'global', scopeTag: '' } as const
    const of = (token: string) => keyOf(BODY, { headers: { Authorization: token } }, shared)
    expect(of('one')).toBe(of('two'))
    expect(keyOf(BODY, { headers: { 'anthropic-beta': 'b' } }, shared)).not.toBe(of('one'))
  })
})
