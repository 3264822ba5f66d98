/** The README, step by step: every command and configuration in it does what it says. */
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createHash } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { startSimulator } from '@pratu/simulator'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { chat } from './gateway.ts'
import { startPratu, type PratuProcess } from './pratu-process.ts'
import { runCommand } from './run-command.ts'

const file = (path: string): string => fileURLToPath(new URL(`../${path}`, import.meta.url))
const README = readFileSync(file('README.md'), 'utf8')
const BIN = file('packages/gateway/bin/pratu.js')
const pratu = (...args: string[]) => runCommand([process.execPath, BIN, ...args])

/** Every command of the README, and the test below that runs it; `npm start` and `npx pratu` run this program. */
const COMMANDS = [
  'npm ci && npm start',
  'npm ci && npm test',
  'npx pratu keys new',
  'OPENAI_API_KEY=sk-your-key npm start',
  'npx pratu check kong.yml',
  'npm start -- --config kong.yml',
  'curl -s http://127.0.0.1:8080/metrics',
]

test('these are the commands of the README', () => {
  const written = [...README.matchAll(/`([^`\n]*\b(?:npm|npx|curl) [^`\n]+)`/g)].map(
    ([, text]) => text,
  )
  const blocks = [...README.matchAll(/```sh\n([\s\S]*?)```/g)].flatMap(([, text = '']) =>
    text.trim().split('\n'),
  )
  expect(new Set([...blocks, ...written])).toEqual(new Set(COMMANDS))
  const { scripts, workspaces } = JSON.parse(readFileSync(file('package.json'), 'utf8'))
  expect(scripts).toMatchObject({
    start: 'node packages/gateway/bin/pratu.js start',
    test: 'vitest run',
  })
  expect(workspaces).toEqual(['packages/*'])
})

test('every file that the README links to is there', () => {
  const links = [...README.matchAll(/\]\(([^)#:]+)\)/g)].map(([, path = '']) => path)
  expect(links.length).toBeGreaterThan(10)
  const missing = links.filter((path) => {
    try {
      readFileSync(file(path))
      return false
    } catch (error) {
      return !(error instanceof Error && 'code' in error && error.code === 'EISDIR')
    }
  })
  expect(missing).toEqual([])
})

test('docs/README.md lists every page', () => {
  const index = readFileSync(file('docs/README.md'), 'utf8')
  const pages = readdirSync(file('docs'), { recursive: true, encoding: 'utf8' }).filter(
    (path) => path.endsWith('.md') && path !== 'README.md' && !path.startsWith('decisions/'),
  )
  expect(pages.length).toBeGreaterThan(20)
  expect(pages.filter((path) => !index.includes(`](${path})`))).toEqual([])
})

/** What a shell makes of a printed `curl` line. */
function pasted(line: string): { url: string; init: RequestInit } {
  const words = [...line.matchAll(/'([^']*)'|(\S+)/g)].map(
    ([, quoted, plain]) => quoted ?? plain ?? '',
  )
  const headers: Record<string, string> = {}
  let body = ''
  for (const [index, word] of words.entries()) {
    const next = words[index + 1] ?? ''
    if (word === '-H') headers[next.slice(0, next.indexOf(':'))] = next.slice(next.indexOf(':') + 2)
    if (word === '-d') body = next
  }
  const url = words.find((word) => word.startsWith('http')) ?? ''
  return { url, init: { method: 'POST', headers, body } }
}

describe('npm start', () => {
  let demo: PratuProcess
  let first: ReturnType<typeof pasted>
  let streamed: ReturnType<typeof pasted>

  beforeAll(async () => {
    demo = await startPratu({ environment: { PRATU_PROXY_LISTEN: '' }, args: ['--port', '0'] })
    await demo.waitForOutput((line) => line.startsWith('Ctrl-C'))
    const lines = demo.output.filter((line) => line.startsWith('curl ')).map(pasted)
    const [one, two] = lines
    if (one === undefined || two === undefined) throw new Error(demo.output.join('\n'))
    first = one
    streamed = two
  })
  afterAll(() => demo.stop())

  test('prints a key and curl lines as plain text on a pipe, and listens on this machine alone', () => {
    const key = demo.output[demo.output.indexOf('Your key') + 1]
    expect(key).toMatch(/^pratu_[\w-]{32}$/)
    expect(first.init.headers).toMatchObject({ Authorization: `Bearer ${key}` })
    expect(demo.output.join('')).not.toContain('\x1b')
    expect(demo.log.find(({ msg }) => msg === 'listening')).toMatchObject({
      proxy: [`127.0.0.1:${demo.proxyPort}`],
      admin: [expect.stringMatching(/^127\.0\.0\.1:/)],
    })
  })

  test('the first answer: a completion, counted and limited; the second time from the cache', async () => {
    const answer = await fetch(first.url, first.init)
    const text = await answer.text()
    const shown = /```text\n(\{"id":"chatcmpl-)…(","object":"chat.completion")/.exec(README)
    expect(text.startsWith(shown?.[1] ?? 'the README shows it')).toBe(true)
    expect(text).toContain(shown?.[2] ?? 'the README shows it')
    expect([answer.status, answer.headers.get('x-ratelimit-limit-minute')]).toEqual([200, '60'])
    const again = await fetch(first.url, first.init)
    expect([again.headers.get('x-cache-status'), await again.text()]).toEqual(['Hit', text])
  })

  test('the second line streams, event by event, to its end', async () => {
    const answer = await fetch(streamed.url, streamed.init)
    expect(answer.headers.get('content-type')).toContain('text/event-stream')
    let pieces = 0
    let text = ''
    for await (const chunk of answer.body ?? []) {
      pieces++
      text += Buffer.from(chunk).toString()
    }
    expect(pieces).toBeGreaterThan(3)
    expect(text.endsWith('data: [DONE]\n\n')).toBe(true)
  })

  test('401 without the key, as an OpenAI client understands it', async () => {
    const answer = await fetch(first.url, chat())
    expect(answer.status).toBe(401)
    expect(await answer.json()).toMatchObject({
      message: 'No API key found in request',
      error: { type: expect.any(String) },
    })
  })

  test('metrics: requests, latencies, limits in use, tokens by model', async () => {
    const metrics = await (await fetch(`${demo.adminUrl}/metrics`)).text()
    for (const series of [
      'kong_requests_total{service="demo",route="demo",status="200"}',
      'kong_request_duration_ms_bucket{service="demo",route="demo",le="1000"}',
      'kong_rate_limiting_count_total{service="demo",route="demo",limit_period="minute"}',
      'pratu_llm_tokens_total{service="demo",provider="127.0.0.1",model="gpt-4.1-mini",kind="output"',
      'kong_http_requests_total{service="demo",route="demo",code="200",source="service",workspace="default",consumer="demo"}',
    ]) {
      expect(metrics).toContain(series)
    }
  })

  test('429 after 60 requests in a minute', async () => {
    const statuses: number[] = []
    // At most one minute ends while this runs.
    for (let sent = 0; sent < 121 && !statuses.includes(429); sent++) {
      const answer = await fetch(first.url, first.init)
      await answer.arrayBuffer()
      statuses.push(answer.status)
    }
    expect(statuses.filter((status) => status !== 200)).toEqual([429])
  })

  test('Ctrl-C ends it at once', async () => {
    demo.signal('SIGINT')
    expect(await demo.exited).toEqual({ code: 0, signal: null })
  })
})

const PROVIDERS = [
  ['OPENAI_API_KEY', 'https://api.openai.com', '/v1/chat/completions', 'authorization', 'Bearer '],
  ['ANTHROPIC_API_KEY', 'https://api.anthropic.com', '/v1/messages', 'x-api-key', ''],
  [
    'DEEPSEEK_API_KEY',
    'https://api.deepseek.com',
    '/v1/chat/completions',
    'authorization',
    'Bearer ',
  ],
  ['MISTRAL_API_KEY', 'https://api.mistral.ai', '/v1/chat/completions', 'authorization', 'Bearer '],
  [
    'GROQ_API_KEY',
    'https://api.groq.com',
    '/openai/v1/chat/completions',
    'authorization',
    'Bearer ',
  ],
] as const

test.each(PROVIDERS)(
  '%s=sk-your-key npm start: that provider, with that key alone',
  async (variable, origin, path, field, before) => {
    expect(README).toContain(variable)
    const provider = await startSimulator()
    const demo = await startPratu({
      environment: {
        [variable]: 'sk-your-key',
        PRATU_UPSTREAM_OVERRIDES: `${origin}=${provider.url}`,
      },
    })
    try {
      await demo.waitForOutput((line) => line.startsWith('Ctrl-C'))
      const { url, init } = pasted(demo.output.find((line) => line.startsWith('curl ')) ?? '')
      await fetch(url, init)
      const [request] = provider.requests
      expect(request?.target).toBe(path)
      expect(request?.header(field)).toBe(`${before}sk-your-key`)
      expect(request?.rawHead.toString()).not.toContain('pratu_')
      expect(demo.output.join('\n')).not.toContain('sk-your-key')
    } finally {
      await demo.stop()
      await provider.close()
    }
  },
)

test('npx pratu keys new: a key and its hash', async () => {
  const { code, stdout } = await pratu('keys', 'new')
  const key = /^key +(\S+)$/m.exec(stdout)?.[1] ?? ''
  expect(code).toBe(0)
  expect(key).toMatch(/^pratu_/)
  expect(stdout).toContain(`  - key_sha256: ${createHash('sha256').update(key).digest('hex')}`)
})

describe('your own kong.yml', () => {
  const own = /```yaml\n([\s\S]*?)```/.exec(README)?.[1] ?? ''
  const environment = { OPENAI_API_KEY: 'sk-your-key', MY_APP_KEY: 'a-key-of-yours' }
  const asMyApp = { Authorization: `Bearer ${environment.MY_APP_KEY}` }

  test('holds the line that the step about limits shows', () => {
    const shown = /`(\{ name: rate-limiting[^`]+)`/.exec(README)?.[1]
    expect(own).toContain(`- ${shown}`)
  })

  test('npx pratu check kong.yml: valid; without the variables it says which, and where', async () => {
    const path = `${file('')}.quickstart-${process.pid}.yml`
    writeFileSync(path, own)
    try {
      const good = await runCommand([process.execPath, BIN, 'check', path, '--no-advice'], {
        environment,
      })
      expect([good.code, good.stdout]).toEqual([0, 'valid\n'])
      const bad = await pratu('check', path)
      expect(bad.code).toBe(1)
      expect(bad.stdout).toContain('OPENAI_API_KEY')
      expect(bad.stdout).toContain('MY_APP_KEY')
      expect(bad.stdout).toMatch(/\.yml:4:\d+/)
    } finally {
      rmSync(path)
    }
  })

  test('npm start -- --config kong.yml: served; a saved change is in use within two seconds, or refused whole', async () => {
    const provider = await startSimulator()
    const gateway = await startPratu({
      configuration: own,
      environment: {
        ...environment,
        PRATU_UPSTREAM_OVERRIDES: `https://api.openai.com=${provider.url}`,
      },
    })
    try {
      const ask = (headers = {}): Promise<Response> =>
        fetch(`${gateway.proxyUrl}/v1/chat/completions`, chat({}, headers))
      expect((await ask()).status).toBe(401)
      const answer = await ask(asMyApp)
      expect([answer.status, answer.headers.get('x-ratelimit-limit-minute')]).toEqual([200, '100'])
      expect(provider.requests.map((request) => request.header('authorization'))).toEqual([
        'Bearer sk-your-key',
      ])

      const savedAt = performance.now()
      writeFileSync(gateway.configurationPath, own.replace('minute: 100', 'minute: 5'))
      await gateway.waitForLog(({ generation }) => generation === 2)
      expect(performance.now() - savedAt).toBeLessThan(2_000)
      expect((await ask(asMyApp)).headers.get('x-ratelimit-limit-minute')).toBe('5')

      writeFileSync(gateway.configurationPath, own.replace('rate-limiting', 'rate-limting'))
      const refused = await gateway.waitForLog(({ level }) => level === 'error')
      expect(JSON.stringify(refused)).toMatch(/"line":14.*rate-limting/)
      expect((await ask(asMyApp)).headers.get('x-ratelimit-limit-minute')).toBe('5')
    } finally {
      await gateway.stop()
      await provider.close()
    }
  })
})
