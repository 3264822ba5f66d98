/**
 * What Pratu costs per request, beside nginx, an empty Node.js proxy and Portkey: same upstream, same load, one worker
 * each, access logs off, several rounds in turn.
 *
 * Usage: npm run bench -- overhead [--seconds 4] [--rounds 3] [--check] [--without-portkey]
 * --check exits with 1 when a CPU ratio misses its limit by more than 20 %.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { residentBytes } from './rig/machine.ts'
import { startProcess, type RigProcess } from './rig/process.ts'
import { median, minimum, save, table } from './rig/report.ts'
import { runWrk, type LoadResult } from './rig/wrk.ts'

const { values: options } = parseArgs({
  options: {
    seconds: { type: 'string', default: '4' },
    rounds: { type: 'string', default: '3' },
    check: { type: 'boolean', default: false },
    'without-portkey': { type: 'boolean', default: false },
  },
})

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const NODE = process.execPath
const UPSTREAM = 18_700
const KEY = 'bench-key-0123456789abcdef'
const BODY = JSON.stringify({
  model: 'gpt-4.1',
  messages: [
    { role: 'system', content: 'You are a helpful assistant.' },
    { role: 'user', content: 'Say hello to the world, in two languages, and stop.' },
  ],
  temperature: 0.7,
  max_tokens: 2048,
})
const ANSWER = JSON.stringify({
  id: 'chatcmpl-bench',
  object: 'chat.completion',
  created: 1_760_000_000,
  model: 'gpt-4.1',
  choices: [
    { index: 0, message: { role: 'assistant', content: 'Hello. สวัสดี' }, finish_reason: 'stop' },
  ],
  usage: { prompt_tokens: 31, completion_tokens: 4, total_tokens: 35 },
})

const folder = mkdtempSync(join(tmpdir(), 'pratu-bench-'))
const running: RigProcess[] = []

interface Contender {
  readonly name: string
  readonly port: number
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  start(): Promise<RigProcess>
}

interface Row {
  readonly name: string
  readonly idleRssBytes: number
  readonly rounds: LoadResult[]
}

const FIVE_PLUGINS = `plugins:
- name: key-auth
- name: rate-limiting
  config: {minute: 1000000000, policy: local}
- name: proxy-cache
  config: {strategy: memory, request_method: [GET]}
- name: correlation-id
- name: prometheus
  config: {per_consumer: true, status_code_metrics: true, latency_metrics: true, bandwidth_metrics: true}
consumers:
- username: bench
  keyauth_credentials: [{key: ${KEY}}]
`

function pratuConfiguration(path: string, plugins: string): string {
  return `_format_version: "3.0"
services:
- name: bench
  url: http://127.0.0.1:${UPSTREAM}${path}
  routes:
  - {name: bench, paths: [${path}], strip_path: false, protocols: [http]}
${plugins}`
}

function pratu(name: string, port: number, path: string, plugins: string): Contender {
  return {
    name,
    port,
    path,
    headers: { 'Content-Type': 'application/json', apikey: KEY },
    start() {
      const file = join(folder, `${port}.yml`)
      writeFileSync(file, pratuConfiguration(path, plugins))
      return startProcess({
        command: [NODE, join(ROOT, 'packages/gateway/bin/pratu.js'), 'start', '--config', file],
        environment: {
          PRATU_PROXY_LISTEN: `127.0.0.1:${port}`,
          PRATU_ADMIN_LISTEN: `127.0.0.1:${port + 50}`,
          PRATU_PROXY_ACCESS_LOG: 'off',
          PRATU_ADMIN_ACCESS_LOG: 'off',
          PRATU_LOG_LEVEL: 'error',
        },
        port,
      })
    },
  }
}

const PLAIN = '/plain'
const CHAT = '/v1/chat/completions'

const contenders: readonly Contender[] = [
  {
    name: 'nginx',
    port: 18_701,
    path: CHAT,
    headers: { 'Content-Type': 'application/json' },
    start: () => startNginx(18_701, nginxProxy(18_701)),
  },
  {
    name: 'spike (node:http + undici)',
    port: 18_702,
    path: CHAT,
    headers: { 'Content-Type': 'application/json' },
    start: () =>
      startProcess({
        command: [NODE, join(ROOT, 'bench/spike.ts'), '18702', `http://127.0.0.1:${UPSTREAM}`],
        port: 18_702,
      }),
  },
  pratu('Pratu bare', 18_703, PLAIN, ''),
  pratu('Pratu bare, AI metering', 18_704, CHAT, ''),
  pratu('Pratu, five plugins', 18_705, PLAIN, FIVE_PLUGINS),
  pratu('Pratu, five plugins, AI metering', 18_706, CHAT, FIVE_PLUGINS),
  ...(options['without-portkey'] ? [] : [portkey(18_707)]),
]

function portkey(port: number): Contender {
  return {
    name: 'Portkey',
    port,
    path: CHAT,
    headers: {
      'Content-Type': 'application/json',
      Authorization: 'Bearer x',
      'x-portkey-provider': 'openai',
      'x-portkey-custom-host': `http://127.0.0.1:${UPSTREAM}/v1`,
    },
    start() {
      const home = join(ROOT, '.tools/portkey')
      const entry = join(home, 'node_modules/@portkey-ai/gateway/build/start-server.js')
      if (!existsSync(entry)) {
        execFileSync(
          'npm',
          ['install', '--ignore-scripts', '--prefix', home, '@portkey-ai/gateway'],
          {
            stdio: 'ignore',
          },
        )
      }
      return startProcess({
        command: [NODE, entry, `--port=${port}`, '--headless'],
        environment: { TRUSTED_CUSTOM_HOSTS: '127.0.0.1,localhost' },
        port,
      })
    },
  }
}

function nginxProxy(port: number): string {
  return `
upstream static { server 127.0.0.1:${UPSTREAM}; keepalive 512; keepalive_requests 1000000; }
server {
  listen 127.0.0.1:${port} backlog=4096;
  location / { proxy_pass http://static; proxy_http_version 1.1; proxy_set_header Connection ""; }
}`
}

const NGINX_STATIC = `
server {
  listen 127.0.0.1:${UPSTREAM} backlog=4096;
  default_type application/json;
  location / { return 200 '${ANSWER}'; }
}`

function startNginx(port: number, servers: string): Promise<RigProcess> {
  const file = join(folder, `nginx-${port}.conf`)
  writeFileSync(
    file,
    `daemon off; worker_processes 1; pid ${folder}/nginx-${port}.pid; error_log stderr crit;
events { worker_connections 4096; }
http {
  access_log off; keepalive_requests 1000000; keepalive_timeout 75s;
  client_body_temp_path ${folder}/body-${port}; proxy_temp_path ${folder}/proxy-${port};
  fastcgi_temp_path ${folder}/f-${port}; uwsgi_temp_path ${folder}/u-${port}; scgi_temp_path ${folder}/s-${port};
  ${servers}
}`,
  )
  return startProcess({ command: ['/usr/sbin/nginx', '-c', file, '-p', folder], port })
}

async function measure(contender: Contender, row: Row, process: RigProcess): Promise<void> {
  const result = await runWrk(process.pid, {
    url: `http://127.0.0.1:${contender.port}${contender.path}`,
    seconds: Number(options.seconds),
    connections: 32,
    headers: contender.headers,
    body: BODY,
  })
  row.rounds.push(result)
}

async function main(): Promise<void> {
  running.push(await startNginx(UPSTREAM, NGINX_STATIC))
  const rows = new Map<
    string,
    { readonly row: Row; readonly process: RigProcess; readonly contender: Contender }
  >()
  for (const contender of contenders) {
    try {
      const process = await contender.start()
      running.push(process)
      const row: Row = {
        name: contender.name,
        idleRssBytes: residentBytes(process.pid),
        rounds: [],
      }
      rows.set(contender.name, { row, process, contender })
    } catch (error) {
      console.log(
        `${contender.name} is left out: ${error instanceof Error ? error.message.split('\n')[0] : String(error)}`,
      )
    }
  }
  // One round that does not count: just-in-time compilers and pools warm up.
  for (let round = -1; round < Number(options.rounds); round++) {
    for (const { contender, row, process } of rows.values()) {
      await measure(contender, row, process)
      if (round < 0) row.rounds.length = 0
    }
  }
  report([...rows.values()].map(({ row }) => row))
}

function report(rows: readonly Row[]): void {
  const cpu = (name: string): number =>
    minimum(
      rows.find((row) => row.name === name)?.rounds.map((round) => round.cpuMicrosPerRequest) ?? [
        Number.NaN,
      ],
    )
  const spike = cpu('spike (node:http + undici)')
  const nginx = cpu('nginx')
  console.log(
    table(
      [
        '',
        'CPU µs/request (min)',
        '(median)',
        '÷ spike',
        '÷ nginx',
        'requests/s',
        'p99 ms',
        'errors',
        'idle RSS MB',
      ],
      rows.map(({ name, rounds, idleRssBytes }) => {
        const micros = rounds.map((round) => round.cpuMicrosPerRequest)
        return [
          name,
          minimum(micros),
          median(micros),
          minimum(micros) / spike,
          minimum(micros) / nginx,
          Math.round(median(rounds.map((round) => round.requestsPerSecond))),
          median(rounds.map((round) => round.p99Ms)),
          rounds.reduce((sum, { errors }) => sum + errors, 0).toString(),
          idleRssBytes / 1e6,
        ]
      }),
    ),
  )
  const limits: readonly (readonly [name: string, ratio: number, limit: number])[] = [
    ['Pratu bare ÷ spike', cpu('Pratu bare') / spike, 1.15],
    ['Pratu, five plugins ÷ spike', cpu('Pratu, five plugins') / spike, 1.35],
    ['Pratu, five plugins ÷ nginx', cpu('Pratu, five plugins') / nginx, 5],
  ]
  console.log()
  for (const [name, ratio, limit] of limits) {
    console.log(`${name}: ${ratio.toFixed(2)} (to reach: ≤ ${limit})`)
    if (options.check && ratio > limit * 1.2) process.exitCode = 1
  }
  const failed = rows.filter(({ rounds }) => rounds.some(({ errors }) => errors > 0))
  if (failed.length > 0)
    console.log(`answers that were errors: ${failed.map(({ name }) => name).join(', ')}`)
  save('overhead', { rows, limits })
}

try {
  await main()
} finally {
  await Promise.all(running.map((one) => one.stop()))
  rmSync(folder, { recursive: true, force: true })
}
