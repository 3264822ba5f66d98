/** F70: whatever way a request goes, its slot and its tokens come back; over any store. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { chat } from '../gateway.ts'
import { givenAiLimited, type AiLimited } from './ai-limited.ts'
import { until } from './redis-server.ts'

const SLOTS = 2
const LIMITS = `{name: slots, quantity: concurrent_requests, limit: ${SLOTS}, by: everything}, {name: tokens, quantity: total_tokens, limit: 100000, window: hour, by: everything}`

let it: AiLimited

export interface ExitStore {
  readonly config: readonly string[]
  close(): PromiseLike<void>
}

let nonce = 0

/** A request that no cache has the answer to. */
function ask(
  fault: string | undefined,
  body: Readonly<Record<string, unknown>> = {},
  signal?: AbortSignal,
): Promise<Response> {
  const headers: Record<string, string> = { 'cache-control': 'no-store' }
  if (fault !== undefined) headers['x-simulator-fault'] = fault
  return fetch(`${it.url}/v1/chat/completions`, {
    ...chat({ user: `n${nonce++}`, max_tokens: 20, ...body }, headers),
    ...(signal === undefined ? {} : { signal }),
  })
}

async function status(answer: Promise<Response>): Promise<number> {
  const { status: code, body } = await answer
  await body?.cancel()
  return code
}

/** Leaves as soon as the provider has the request, or has begun to answer. */
async function leave(when: 'before' | 'after'): Promise<number> {
  const controller = new AbortController()
  const before = it.simulator.requests.length
  const fault = when === 'before' ? 'hang=before-headers' : 'hang=after-tokens:2'
  const answer = ask(fault, { stream: true }, controller.signal)
  if (when === 'after') {
    const { body } = await answer
    await body?.getReader().read()
  } else {
    await until('the provider has it', () => it.simulator.requests.length > before)
  }
  controller.abort()
  await answer.catch(() => 'left')
  return when === 'after' ? 200 : 0
}

const EXITS: readonly (readonly [string, () => Promise<number>, number])[] = [
  ['ok', () => status(ask(undefined)), 200],
  [
    'a whole stream',
    async () => {
      const answer = await ask(undefined, { stream: true })
      await answer.text()
      return answer.status
    },
    200,
  ],
  ['4xx', () => status(ask('status=400')), 400],
  ['5xx', () => status(ask('status=503')), 503],
  ['timeout', () => status(ask('hang=before-headers')), 504],
  ['connection lost', () => status(ask('reset=before-headers')), 502],
  ['a second try', () => status(ask('reset=before-headers; attempts=1')), 200],
  ['a short answer', () => status(ask('short-body')), 502],
  [
    'a stream without usage',
    async () => {
      const answer = await ask('usage=missing', {
        stream: true,
        stream_options: { include_usage: true },
      })
      await answer.text()
      return answer.status
    },
    200,
  ],
  [
    'a stream that breaks',
    async () => {
      const answer = await ask('reset=after-tokens:3', { stream: true })
      await answer.text().catch(() => 'broken')
      return answer.status
    },
    200,
  ],
  [
    'an error event',
    async () => {
      const answer = await ask('error=after-tokens:3', { stream: true })
      await answer.text().catch(() => 'broken')
      return answer.status
    },
    200,
  ],
  ['cancel before the first byte', () => leave('before'), 0],
  ['cancel after the first byte', () => leave('after'), 200],
  [
    'a cache hit',
    () => status(fetch(`${it.url}/v1/chat/completions`, chat({ user: 'cached', max_tokens: 20 }))),
    200,
  ],
  ['blocked by a plugin', () => status(ask(undefined, { padding: 'x'.repeat(2_000_000) })), 413],
]

/** The tests, over gateways whose plugin has these lines more in its configuration. */
export function describeExits(store: string, open: () => Promise<ExitStore>): void {
  describe(`F70 ${store}`, () => {
    let held: ExitStore

    beforeAll(async () => {
      held = await open()
      it = await givenAiLimited({
        config: held.config,
        limits: LIMITS,
        service: ['retries: 1'],
        plugins: [
          '- {name: proxy-cache, config: {strategy: memory, cache_control: true, request_method: [POST], content_type: [application/json]}}',
          '- {name: request-size-limiting, config: {allowed_payload_size: 1}}',
        ],
        timeoutMs: 500,
      })
    })

    afterAll(async () => {
      await it[Symbol.asyncDispose]()
      await held.close()
    })

    test.each(EXITS)(
      '%s: thrice the limit, one after the other, and the gauges are back at 0',
      async (_exit, run, expected) => {
        for (let i = 0; i < SLOTS * 3; i++) {
          expect(await run()).toBe(expected)
          await until(
            'nothing is reserved',
            async () => (await it.metric('pratu_limits_reserved')) === 0,
          )
        }
        expect(await status(ask(undefined))).toBe(200)
      },
    )

    test('F71 tokens: what was reserved and not used came back', async () => {
      const used = await it.metric('pratu_limits_used_total', { quantity: 'total_tokens' })
      // Some 100 requests of at most 20 tokens and a short prompt each.
      expect(used).toBeGreaterThan(500)
      expect(used).toBeLessThan(10_000)
      expect(await it.metric('pratu_limits_overshoot_total')).toBe(0)
    })

    test('a reload: what is held stays held, and comes back under the new configuration', async () => {
      const controller = new AbortController()
      await Promise.all(
        Array.from({ length: SLOTS }, () =>
          ask('hang=after-tokens:1', { stream: true }, controller.signal),
        ),
      )
      const loaded = await fetch(`${it.adminUrl}/config`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ config: `${it.configuration}# read again\n` }),
      })
      expect(loaded.status).toBe(201)
      expect(await status(ask(undefined))).toBe(429)
      controller.abort()
      await until(
        'nothing is reserved',
        async () => (await it.metric('pratu_limits_reserved')) === 0,
      )
      expect(await status(ask(undefined))).toBe(200)
    })

    test('while all slots are taken the next request is refused, and no call is made', async () => {
      const controller = new AbortController()
      const held = Array.from({ length: SLOTS }, () =>
        ask('hang=after-tokens:1', { stream: true }, controller.signal),
      )
      await Promise.all(held)
      const before = it.simulator.requests.length
      const refused = await ask(undefined)
      expect(refused.status).toBe(429)
      expect(await refused.json()).toMatchObject({ error: { code: 'concurrency_limit_exceeded' } })
      expect(refused.headers.get('retry-after')).toBe('1')
      expect(it.simulator.requests.length).toBe(before)
      controller.abort()
      await until(
        'nothing is reserved',
        async () => (await it.metric('pratu_limits_reserved')) === 0,
      )
      expect(await status(ask(undefined))).toBe(200)
    })
  })
}
