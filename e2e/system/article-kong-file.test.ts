/** The article's `kong.yml` on the real program, the provider's host overridden to a simulator. */
import { startSimulator, type Simulator } from '@pratu/simulator'
import { describe, expect } from 'vitest'
import { articleTest, type ArticleFiles } from '../article-files.ts'
import { chat } from '../gateway.ts'
import { aMinuteWithRoomFor } from '../minute.ts'
import { startPratu, type PratuProcess } from '../pratu-process.ts'

const PROVIDER = 'https://api.holysheep.ai'
const CALLER_KEY = 'YOUR_HOLYSHEEP_API_KEY'
const PROVIDER_KEY = 'sk-of-the-provider-alone'
const WITH_KEY = { Authorization: `Bearer ${CALLER_KEY}` }

interface Given extends AsyncDisposable {
  readonly pratu: PratuProcess
  readonly simulator: Simulator
  /** POST /v1/chat/completions */
  complete(headers?: Readonly<Record<string, string>>, body?: object): Promise<Response>
}

/** @param edit what an operator would change in the file; nothing: the file itself is loaded, from where it lies. */
async function given(files: ArticleFiles, edit?: (text: string) => string): Promise<Given> {
  const simulator = await startSimulator()
  const pratu = await startPratu({
    ...(edit === undefined
      ? { args: ['--config', files.path('kong.yml')] }
      : { configuration: edit(files.read('kong.yml')) }),
    environment: {
      PRATU_UPSTREAM_OVERRIDES: `${PROVIDER}=${simulator.url}`,
      HOLYSHEEP_AI_API_KEY: PROVIDER_KEY,
    },
  })
  return {
    pratu,
    simulator,
    complete: (headers = {}, body = {}) =>
      fetch(`${pratu.proxyUrl}/v1/chat/completions`, chat({ ...body }, headers)),
    async [Symbol.asyncDispose]() {
      await pratu.stop()
      await simulator.close()
    },
  }
}

const withKeyAuth = (text: string): string => `${text}\nplugins:\n- name: key-auth\n`

/** The lines that `pratu check` offers for a service whose callers share their key with the provider. */
const withProvider = (text: string): string =>
  withKeyAuth(text).replace(
    '- name: holysheep-ai\n',
    '- name: holysheep-ai\n  provider: holysheep-ai\n',
  ) +
  `providers:
- name: holysheep-ai
  kind: openai-compatible
  base_url: https://api.holysheep.ai/v1
  api_key: $(HOLYSHEEP_AI_API_KEY)
`

describe("the article's kong.yml, unmodified", () => {
  articleTest('reaches the intended path once, with and without the key', async (files) => {
    await using it = await given(files)
    const withKey = await it.complete(WITH_KEY)
    const without = await it.complete()
    expect([withKey.status, without.status]).toEqual([200, 200])
    expect(await withKey.json()).toMatchObject({ object: 'chat.completion' })
    expect(it.simulator.requests.map(({ method, target }) => `${method} ${target}`)).toEqual([
      'POST /v1/chat/completions',
      'POST /v1/chat/completions',
    ])
    expect(it.simulator.requests.map((request) => request.header('authorization'))).toEqual([
      `Bearer ${CALLER_KEY}`,
      undefined,
    ])
    expect(it.simulator.requests[0]?.header('host')).toBe('api.holysheep.ai')
  })

  articleTest('streams to the last event', async (files) => {
    await using it = await given(files)
    const answer = await it.complete(WITH_KEY, { stream: true })
    expect(answer.headers.get('content-type')).toContain('text/event-stream')
    expect((await answer.text()).endsWith('data: [DONE]\n\n')).toBe(true)
  })

  articleTest(
    '/v1/chat alone reaches the same path, since that is what is meant',
    async (files) => {
      await using it = await given(files)
      await fetch(`${it.pratu.proxyUrl}/v1/chat`, chat({}, WITH_KEY))
      expect(it.simulator.requests.map(({ target }) => target)).toEqual(['/v1/chat/completions'])
    },
  )

  articleTest(
    "kong.md §3.3 the 101st request of a minute gets Kong's 429 and does not reach the provider",
    async (files) => {
      await using it = await given(files)
      await aMinuteWithRoomFor(20_000)
      const admitted: { status: number; remaining: number }[] = []
      for (let batch = 0; batch < 10; batch++) {
        const answers = await Promise.all(Array.from({ length: 10 }, () => it.complete(WITH_KEY)))
        for (const answer of answers) {
          admitted.push({
            status: answer.status,
            remaining: Number(answer.headers.get('x-ratelimit-remaining-minute')),
          })
        }
        await Promise.all(answers.map((answer) => answer.arrayBuffer()))
      }
      expect(new Set(admitted.map(({ status }) => status))).toEqual(new Set([200]))
      expect(admitted.map(({ remaining }) => remaining).toSorted((a, b) => a - b)).toEqual(
        Array.from({ length: 100 }, (_, n) => n),
      )

      const refused = await it.complete(WITH_KEY)
      expect(refused.status).toBe(429)
      expect(Object.fromEntries(refused.headers)).toMatchObject({
        'x-ratelimit-limit-minute': '100',
        'x-ratelimit-remaining-minute': '0',
        'ratelimit-limit': '100',
        'ratelimit-remaining': '0',
        'content-type': expect.stringContaining('application/json'),
      })
      const waits = ['ratelimit-reset', 'retry-after'].map((name) =>
        Number(refused.headers.get(name)),
      )
      for (const seconds of waits) {
        expect(seconds).toBeGreaterThanOrEqual(1)
        expect(seconds).toBeLessThanOrEqual(60)
      }
      expect(await refused.json()).toMatchObject({
        message: 'API rate limit exceeded',
        error: { message: expect.any(String) },
      })
      expect(it.simulator.requests).toHaveLength(100)
    },
    120_000,
  )
})

describe('whose key the provider sees', () => {
  articleTest(
    "with a global key-auth added the caller's own, as in Kong; without a key nobody passes",
    async (files) => {
      await using it = await given(files, withKeyAuth)
      expect((await it.complete(WITH_KEY)).status).toBe(200)
      const refused = await it.complete()
      expect(refused.status).toBe(401)
      expect(await refused.json()).toMatchObject({ message: 'No API key found in request' })
      expect((await it.complete({ Authorization: 'Bearer wrong' })).status).toBe(401)
      expect(it.simulator.requests.map((request) => request.header('authorization'))).toEqual([
        `Bearer ${CALLER_KEY}`,
      ])
    },
  )

  articleTest(
    "S18 with provider: set the provider's key alone, wherever the caller put its own",
    async (files) => {
      await using it = await given(files, withProvider)
      for (const headers of [
        WITH_KEY,
        { apikey: CALLER_KEY },
        { 'x-api-key': CALLER_KEY },
        { 'api-key': CALLER_KEY },
      ]) {
        expect((await it.complete(headers)).status).toBe(200)
      }
      expect(it.simulator.requests).toHaveLength(4)
      for (const request of it.simulator.requests) {
        expect(request.header('authorization')).toBe(`Bearer ${PROVIDER_KEY}`)
        expect(`${request.rawHead.toString('latin1')}${request.body}`).not.toContain(CALLER_KEY)
      }
    },
  )
})
