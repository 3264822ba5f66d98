import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startSimulator, type Simulator } from '@pratu/simulator'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { RawClient } from '../../packages/gateway/src/listener/testing/raw-client.ts'
import { chat, givenGateway, type GivenGateway } from '../gateway.ts'
import { until } from '../traffic/support.ts'
import { leaksIn } from './support.ts'

/** One of each kind; none of them is the beginning of another. */
const SECRETS = {
  caller: 'canary-caller-7Qw2Zx9Lp4',
  wrong: 'canary-wrong-3Rt8Yv1Nk6',
  provider: 'canary-provider-5Mb0Jh7Gd2',
  admin: 'canary-admin-9Cs4Ff1Ba8',
  cookie: 'canary-cookie-2Uz6Ei3Ow0',
  query: 'canary-query-8Hn5Tk7Xq1',
  prompt: 'canary-prompt-4Vd9Sy2Pm6',
  answer: 'canary-answer-0Gj3Lr8Cw5',
  rejected: 'canary-rejected-6Ax1Dk4Nz7',
} as const

let folder: string
let simulator: Simulator
let gateway: GivenGateway
const bodies: string[] = []

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'pratu-canary-'))
  simulator = await startSimulator()
  gateway = await givenGateway({
    configuration: configuration(),
    environment: {
      PRATU_PROXY_ACCESS_LOG: join(folder, 'access.log'),
      PRATU_ADMIN_ACCESS_LOG: join(folder, 'admin.log'),
      PRATU_ERROR_LOG: join(folder, 'error.log'),
      PRATU_LOG_LEVEL: 'debug',
      PRATU_ADMIN_TOKEN: SECRETS.admin,
      CANARY_PROVIDER_KEY: SECRETS.provider,
    },
  })
})

afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await simulator.close()
  rmSync(folder, { recursive: true, force: true })
})

const configuration = (key = '$(CANARY_PROVIDER_KEY)'): string => `_format_version: "3.0"
providers:
- {name: openai, api_key: ${key}}
services:
- {name: paid, url: "${simulator.url}/v1/chat/completions", provider: openai, read_timeout: 300, routes: [{name: paid, paths: [/v1/chat], strip_path: false}]}
- {name: plain, url: "${simulator.url}", read_timeout: 300, routes: [{name: plain, paths: [/plain]}]}
- {name: closed, url: "http://127.0.0.1:1", retries: 1, routes: [{name: closed, paths: [/closed]}]}
plugins:
- {name: key-auth, config: {key_names: [x-secret-name]}}
- {name: correlation-id}
- {name: prometheus, config: {per_consumer: true}}
consumers:
- {username: c, keyauth_credentials: [{key: ${SECRETS.caller}}]}
`

const FAULTS = [
  'none',
  'status=401',
  'status=429; retry-after=1',
  'status=500',
  'reset',
  'hang',
  'short-body',
  'garbage',
  'bad-header=nul',
  'informational=103*1000',
  'extra-bytes',
  'html',
  'invalid-json',
  'gzip',
]

async function send(path: string, init: RequestInit): Promise<number> {
  const answer = await fetch(gateway.url + path, init)
  const head = JSON.stringify([...answer.headers])
  // Bodies of the provider are its own words; ours are those that the gateway made.
  const text = await answer.text().catch(() => '')
  if (answer.headers.get('x-kong-upstream-latency') === null) bodies.push(head + text)
  else bodies.push(head)
  return answer.status
}

/** Requests that carry every secret everywhere a client may put it. */
async function traffic(): Promise<number> {
  let sent = 0
  for (const path of ['/v1/chat', '/plain/v1/chat/completions', '/closed', '/nowhere']) {
    for (const fault of FAULTS) {
      for (const stream of [false, true]) {
        await send(
          `${path}?key=${SECRETS.query}&x-secret-name=${SECRETS.caller}&token=${SECRETS.query}`,
          chat(
            {
              stream,
              messages: [{ role: 'user', content: `echo:${SECRETS.prompt} ${SECRETS.answer}` }],
            },
            {
              'x-secret-name': SECRETS.caller,
              Authorization: `Bearer ${SECRETS.query}`,
              Cookie: `session=${SECRETS.cookie}`,
              'x-api-key': SECRETS.query,
              'x-simulator-fault': fault,
            },
          ),
        )
        sent++
      }
    }
    await send(path, chat({}, { 'x-secret-name': SECRETS.wrong }))
    await send(path, chat({}, { Authorization: `Bearer ${SECRETS.wrong}` }))
    sent += 2
  }
  const client = await RawClient.open(gateway.port)
  await client.ask(
    `GET /plain?key=${SECRETS.query} HTTP/1.1\r\nHost: g\r\nbad name: ${SECRETS.caller}\r\n\r\n`,
  )
  client.destroy()
  return sent
}

test('S22, S47 no secret and no prompt is in any log, metric, status or error body, at debug level', async () => {
  const sent = await traffic()
  const admin = async (path: string, init: RequestInit = {}): Promise<string> => {
    const headers = new Headers(init.headers)
    headers.set('Kong-Admin-Token', SECRETS.admin)
    const answer = await fetch(gateway.adminUrl + path, { ...init, headers })
    return JSON.stringify([...answer.headers]) + (await answer.text())
  }
  // A configuration that is refused quotes the lines that are wrong.
  const refused = await admin('/config', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({
      config: `${configuration(SECRETS.rejected)}nonsense: true\nproviders: [{name: x, api_key: ${SECRETS.rejected}}]\n`,
    }),
  })
  const seen = new Map<string, string>([['a refused configuration', refused]])
  for (const path of [
    '/metrics',
    '/status',
    '/',
    '/services',
    '/routes',
    '/plugins',
    '/consumers',
    '/consumers/c/key-auth',
    '/key-auths',
    '/v1/metrics/latency',
  ]) {
    seen.set(path, await admin(path))
  }
  await until(
    () => readFileSync(join(folder, 'access.log'), 'utf8').split('\n').length > sent,
    'every line of the access log',
  )
  for (const file of readdirSync(folder)) {
    seen.set(file, readFileSync(join(folder, file), 'utf8'))
  }
  seen.set('answers', bodies.join('\n'))
  const leaks = [...seen].flatMap(([where, text]) =>
    leaksIn(text, SECRETS).map((secret) => `${secret} in ${where}`),
  )
  expect(leaks).toEqual([])
  // What was looked through is not empty: the cause of a failure is there, and what only debug shows.
  expect(seen.get('access.log')).toContain('ECONNREFUSED')
  expect(seen.get('error.log')).toContain('"level":"debug"')
  // And the search itself finds what is there.
  expect(leaksIn(`x${Buffer.from(`:${SECRETS.caller}:`).toString('hex')}`, SECRETS)).toEqual([
    'caller',
  ])
}, 30_000)

test('S23 an error of ours names no host, address, port, file or cause', async () => {
  expect(bodies.length).toBeGreaterThan(50)
  for (const body of bodies) {
    expect(body).not.toMatch(
      /127\.0\.0\.1|localhost|ECONN|EPIPE|ENOTFOUND|UND_ERR|node_modules|\.ts\b|\bat .*\(|stack|socket/i,
    )
    expect(body).not.toContain(`:${simulator.port}`)
    expect(body).not.toContain('test-host')
  }
})
