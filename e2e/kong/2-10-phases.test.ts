import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { GivenGateway } from '../gateway.ts'
import {
  ask,
  at,
  configure,
  givenKong,
  givenUpstream,
  type Answered,
  type GivenUpstream,
} from './support.ts'
import { takeTrace } from './traced-plugins.ts'

export const MODULE = fileURLToPath(new URL('traced-plugins.ts', import.meta.url))

let upstream: GivenUpstream
let given: GivenGateway

beforeAll(async () => {
  upstream = await givenUpstream()
  given = await givenKong({}, { PRATU_PLUGIN_MODULES: MODULE })
})
afterEach(() => {
  takeTrace()
})
afterAll(async () => {
  await given[Symbol.asyncDispose]()
  await upstream[Symbol.asyncDispose]()
})

const plugin = (name: string, config: object = {}, scope: object = {}) => ({
  name,
  config,
  ...scope,
})

/** One request, and which phases ran, to the end of its log. */
async function traced(
  plugins: readonly object[],
  path = '/a',
  headers: Readonly<Record<string, string>> = {},
): Promise<{ readonly answer: Answered; readonly trace: readonly string[] }> {
  const configured = await configure(given, {
    services: [{ name: 's', url: upstream.url, routes: [{ name: 'r', paths: ['/a'] }] }],
    consumers: [{ username: 'ann', keyauth_credentials: [{ key: 'k' }] }],
    plugins,
  })
  if (configured.status !== 201) throw new Error(configured.text)
  const answer = await ask(given.port, { path, headers })
  // The log phase runs when the answer is handed to the kernel: a moment before the client has read it, or after.
  const trace: string[] = []
  await expect
    .poll(() => trace.push(...takeTrace()) && trace.filter((one) => one.endsWith(':log')).length)
    .toBeGreaterThanOrEqual(new Set(trace.map((one) => one.split(':')[0])).size)
  return { answer, trace }
}

const of = (trace: readonly string[], phase: string): string[] =>
  trace.filter((one) => one.endsWith(`:${phase}`)).map((one) => one.slice(0, -phase.length - 1))

const ALL = ['traced-low', 'traced-middle-a', 'traced-high', 'traced-middle-b'].map((name) =>
  plugin(name),
)
const IN_ORDER = ['traced-high', 'traced-middle-b', 'traced-middle-a', 'traced-low']

describe('kong.md §2.10 order', () => {
  test('rewrite, access, response headers, response body, log', async () => {
    const { answer, trace } = await traced([plugin('traced-high')])
    expect(answer.status).toBe(200)
    expect(trace).toEqual(
      ['rewrite', 'access', 'responseHeaders', 'responseBody', 'log'].map(
        (phase) => `traced-high:${phase}`,
      ),
    )
  })

  test.each(['rewrite', 'access', 'responseHeaders', 'responseBody', 'log'])(
    'in %s the higher priority first, of equals the later name',
    async (phase) => {
      const { trace } = await traced(ALL)
      expect(of(trace, phase)).toEqual(IN_ORDER)
    },
  )

  test('rewrite runs for global instances only, before routing', async () => {
    const { trace } = await traced([
      plugin('traced-high', {}, { route: 'r' }),
      plugin('traced-low', {}, { service: 's' }),
      plugin('traced-middle-a'),
    ])
    expect(of(trace, 'rewrite')).toEqual(['traced-middle-a'])
    expect(of(trace, 'access')).toEqual(['traced-high', 'traced-middle-a', 'traced-low'])
  })

  test('where no route matches: global plugins, all phases but access', async () => {
    const { answer, trace } = await traced(
      [plugin('traced-high'), plugin('traced-low', {}, { route: 'r' })],
      '/b',
    )
    expect(answer.status).toBe(404)
    expect(trace).toEqual(
      ['rewrite', 'responseHeaders', 'responseBody', 'log'].map((phase) => `traced-high:${phase}`),
    )
  })
})

describe('kong.md §2.10 an answer in access', () => {
  test('stops access of later plugins, whose other phases run', async () => {
    const { answer, trace } = await traced([
      plugin('traced-high'),
      plugin('traced-middle-b', { answers: true }),
      plugin('traced-middle-a'),
      plugin('traced-low'),
    ])
    expect(answer.status).toBe(418)
    expect(at(JSON.parse(answer.text), 'message')).toBe('answered by traced-middle-b')
    expect(of(trace, 'access')).toEqual(['traced-high', 'traced-middle-b'])
    for (const phase of ['responseHeaders', 'responseBody', 'log'])
      expect(of(trace, phase)).toEqual(IN_ORDER)
  })

  test('so a 401 has correlation id and CORS, and is counted', async () => {
    const { answer } = await traced([
      plugin('key-auth'),
      plugin('cors'),
      plugin('correlation-id', { echo_downstream: true }),
      plugin('traced-low'),
    ])
    expect(answer.status).toBe(401)
    expect(answer.headers.get('access-control-allow-origin')).toBe('*')
    expect(answer.headers.has('kong-request-id')).toBe(true)
  })

  test('bundled plugins run by Kong 3.9’s priorities', async () => {
    // Each of these would answer; the one with the highest priority does.
    const answering = [
      ['cors', {}, 200],
      ['key-auth', {}, 401],
      ['ip-restriction', { deny: ['127.0.0.1'] }, 403],
      ['request-size-limiting', { require_content_length: true }, 411],
      ['acl', { allow: ['nobody'] }, 401],
      ['request-termination', { status_code: 418 }, 418],
    ] as const
    await configure(given, {})
    const preflight = { Origin: 'http://a.test', 'Access-Control-Request-Method': 'GET' }
    for (let first = 0; first < answering.length; first++) {
      const [name, , status] = answering[first] ?? ['', {}, 0]
      const plugins = answering.slice(first).map(([one, config]) => plugin(one, config))
      await configure(given, { routes: [{ paths: ['/p'] }], plugins: plugins.toReversed() })
      const answer = await ask(given.port, { method: 'OPTIONS', path: '/p', headers: preflight })
      expect([name, answer.status]).toEqual([name, status])
    }
  })
})

describe('kong.md §2.10 a phase that throws', () => {
  test.each(['rewrite', 'access', 'responseHeaders', 'responseBody'] as const)(
    '%s: this request gets a 500 in Kong’s words, with its id',
    async (fails) => {
      const { answer } = await traced([plugin('traced-high', { fails })])
      expect(answer.status).toBe(500)
      expect(JSON.parse(answer.text)).toEqual({
        message: 'An unexpected error occurred',
        request_id: answer.headers.get('x-kong-request-id'),
      })
      expect(answer.text).not.toContain('fails in')
      expect((await traced([plugin('traced-high')])).answer.status).toBe(200)
    },
  )

  test('in access: later phases of all plugins run all the same', async () => {
    const { trace } = await traced([
      plugin('traced-high', { fails: 'access' }),
      plugin('traced-low'),
    ])
    expect(of(trace, 'access')).toEqual(['traced-high'])
    for (const phase of ['responseHeaders', 'responseBody', 'log'])
      expect(of(trace, phase)).toEqual(['traced-high', 'traced-low'])
  })

  test('in log: the answer is not touched, and other plugins log', async () => {
    const { answer, trace } = await traced([
      plugin('traced-high', { fails: 'log' }),
      plugin('traced-low'),
    ])
    expect(answer.status).toBe(200)
    expect(of(trace, 'log')).toEqual(['traced-high', 'traced-low'])
  })
})
