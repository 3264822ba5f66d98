/** The article's Python client, unmodified, against its `kong.yml`, unmodified. */
import { fileURLToPath } from 'node:url'
import { startSimulator, type Simulator } from '@pratu/simulator'
import { describe, expect } from 'vitest'
import { z } from 'zod'
import { articleTest, type ArticleFiles } from '../article-files.ts'
import { startPratu, type PratuProcess } from '../pratu-process.ts'
import { runCommand } from '../run-command.ts'
import { aMinuteWithRoomFor } from '../minute.ts'

const DRIVER = fileURLToPath(new URL('./article-client.py', import.meta.url))
/** Debian's, which has Debian's httpx. */
const PYTHON = '/usr/bin/python3'

const Results = z.array(
  z.union([
    z.object({ object: z.literal('chat.completion'), content: z.string() }),
    z.object({ error: z.string(), text: z.string() }),
  ]),
)

interface Told {
  readonly results: z.infer<typeof Results>
  /** What the client logged: its retries. */
  readonly log: string
  readonly elapsedMs: number
}

interface Given extends AsyncDisposable {
  readonly simulator: Simulator
  readonly pratu: PratuProcess
  /** `batch_chat` with so many requests; 0: `chat_completion`. */
  client(batch: number, model?: string): Promise<Told>
}

async function given(files: ArticleFiles): Promise<Given> {
  const simulator = await startSimulator()
  const pratu = await startPratu({
    args: ['--config', files.path('kong.yml')],
    environment: { PRATU_UPSTREAM_OVERRIDES: `https://api.holysheep.ai=${simulator.url}` },
  })
  return {
    simulator,
    pratu,
    async client(batch, model = 'gpt-4.1') {
      const startedAt = performance.now()
      const { code, stdout, stderr } = await runCommand([
        PYTHON,
        DRIVER,
        files.folder,
        pratu.proxyUrl,
        String(batch),
        model,
      ])
      if (code !== 0) throw new Error(`the client ended with ${code}: ${stderr}`)
      const results = Results.parse(JSON.parse(stdout))
      return { results, log: stderr, elapsedMs: performance.now() - startedAt }
    },
    async [Symbol.asyncDispose]() {
      await pratu.stop()
      await simulator.close()
    },
  }
}

const completed = ({ results }: Told): number =>
  results.filter((result) => 'object' in result).length

describe('chat_completion', () => {
  articleTest('completes, with the key that the client always sends', async (files) => {
    await using it = await given(files)
    const told = await it.client(0)
    expect(completed(told)).toBe(1)
    expect(it.simulator.requests).toHaveLength(1)
    expect(it.simulator.requests[0]?.target).toBe('/v1/chat/completions')
    expect(it.simulator.requests[0]?.header('authorization')).toBe('Bearer YOUR_HOLYSHEEP_API_KEY')
    expect(it.simulator.requests[0]?.json()).toEqual({
      model: 'gpt-4.1',
      messages: [{ role: 'user', content: 'Question 0' }],
      temperature: 0.7,
      max_tokens: 2048,
    })
  })

  articleTest(
    'waits and tries again when the provider says 429, as its back-off has it',
    async (files) => {
      await using it = await given(files)
      it.simulator.setRules([{ fault: { status: 429, attempts: 2 } }])
      const told = await it.client(0)
      expect(completed(told)).toBe(1)
      expect(it.simulator.requests.map(({ status }) => status)).toEqual([429, 429, 200])
      expect(told.log).toContain('Rate limited, waiting 1s')
      expect(told.log).toContain('Rate limited, waiting 2s')
      expect(told.elapsedMs).toBeGreaterThan(3_000)
    },
  )

  articleTest(
    'tries again when an answer breaks off, which it never takes for a complete one',
    async (files) => {
      await using it = await given(files)
      const fault = {
        sizeBytes: 8 * 1024 * 1024,
        break: { at: 'half', how: 'reset' },
        attempts: 1,
      } as const
      it.simulator.setRules([{ fault }])
      const told = await it.client(0)
      expect(completed(told)).toBe(1)
      expect(it.simulator.requests).toHaveLength(2)
      expect(told.log).toContain('Request error:')
    },
  )

  articleTest("raises on the gateway's own 502 at once", async (files) => {
    await using it = await given(files)
    it.simulator.setRules([{ fault: { statusLine: 'garbage' } }])
    const { results } = await it.client(0)
    expect(results).toEqual([
      { error: 'HTTPStatusError', text: expect.stringContaining("'502 Bad Gateway'") },
    ])
  })
})

describe('batch_chat', () => {
  articleTest(
    'completes 80 requests, at most 50 at a time',
    async (files) => {
      await using it = await given(files)
      it.simulator.setRules([{ fault: { delayMs: 200 } }])
      await aMinuteWithRoomFor(15_000)
      const told = await it.client(80)
      expect(completed(told)).toBe(80)
      expect(it.simulator.requests).toHaveLength(80)
      expect(told.log).not.toContain('Rate limited')
      expect(mostAtOnce(it.simulator)).toBeLessThanOrEqual(50)
      expect(mostAtOnce(it.simulator)).toBeGreaterThan(10)
    },
    120_000,
  )

  articleTest(
    'returns results and exceptions together',
    async (files) => {
      await using it = await given(files)
      it.simulator.setRules([{ match: { nth: 'every:5' }, fault: { status: 500 } }])
      await aMinuteWithRoomFor(15_000)
      const told = await it.client(20)
      expect(completed(told)).toBe(16)
      expect(told.results.filter((result) => 'error' in result)).toEqual(
        Array.from({ length: 4 }, () => ({
          error: 'HTTPStatusError',
          text: expect.stringContaining("'500 Internal Server Error'"),
        })),
      )
    },
    120_000,
  )

  articleTest(
    'beyond 100 in a minute the rest is told 429, tries again, and is given up',
    async (files) => {
      await using it = await given(files)
      await aMinuteWithRoomFor(30_000)
      const told = await it.client(105)
      expect(completed(told)).toBe(100)
      expect(told.results.filter((result) => 'error' in result)).toEqual(
        Array.from({ length: 5 }, () => ({ error: 'Exception', text: 'Max retries exceeded' })),
      )
      // Nothing refused reached the provider, and nothing refused used up the limit.
      expect(it.simulator.requests).toHaveLength(100)
    },
    120_000,
  )
})

/** How many requests the provider had at the same time. */
function mostAtOnce({ requests }: Simulator): number {
  const changes = requests
    .flatMap((request) => [
      { atMs: request.timeOf('head') ?? 0, by: 1 },
      { atMs: request.timeOf('response-end') ?? Infinity, by: -1 },
    ])
    .toSorted((a, b) => a.atMs - b.atMs || a.by - b.by)
  let now = 0
  let most = 0
  for (const { by } of changes) {
    now += by
    most = Math.max(most, now)
  }
  return most
}
