/**
 * What an answer from the cache costs a whole gateway: CPU per request of a hit, of a replayed stream and of the miss
 * (the same request with `x-pratu-cache: bypass`), beside nginx's `proxy_cache` of the same POST body.
 *
 *     npm run bench -- cache-http [--seconds 4] [--rounds 3] [--source]
 *
 * --source runs Pratu from the repository's source instead of from the built package.
 */
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { EVENT_UPSTREAM, startUpstreams } from './rig/contenders.ts'
import { startNginx } from './rig/nginx.ts'
import { ANSWER, REQUEST_BODY, STREAM_REQUEST_BODY } from './rig/payloads.ts'
import { buildPackage, configuration, KEY, SOURCE_BIN, startPratu } from './rig/pratu.ts'
import type { RigProcess } from './rig/process.ts'
import { median, minimum, save, table } from './rig/report.ts'
import { runWrk, type LoadResult } from './rig/wrk.ts'

const { values: options } = parseArgs({
  options: {
    seconds: { type: 'string', default: '4' },
    rounds: { type: 'string', default: '3' },
    source: { type: 'boolean', default: false },
  },
})

const CONNECTIONS = 32
const CHAT = '/v1/chat/completions'
const UPSTREAM = 18_700
const NGINX = 18_721
const PRATU = 18_722

const PLUGINS = `plugins:
- name: key-auth
- name: proxy-cache
  config: {strategy: memory, request_method: [POST], cache_ttl: 3600}
consumers:
- username: bench
  keyauth_credentials: [{key: ${KEY}}]
`

function nginxCache(folder: string): string {
  return `proxy_cache_path ${folder}/answers keys_zone=answers:16m;
upstream answers { server 127.0.0.1:${UPSTREAM}; keepalive 512; keepalive_requests 1000000; }
server {
  listen 127.0.0.1:${NGINX} backlog=4096;
  client_body_buffer_size 64k;
  location / {
    proxy_pass http://answers; proxy_http_version 1.1; proxy_set_header Connection "";
    proxy_cache answers; proxy_cache_methods POST; proxy_cache_valid 200 1h;
    proxy_cache_key "$request_uri|$request_body"; proxy_cache_bypass $http_x_pratu_cache;
  }
}`
}

interface Subject {
  readonly name: string
  readonly process: RigProcess
  readonly port: number
  readonly path: string
  readonly body: string
  readonly headers: Readonly<Record<string, string>>
  readonly results: LoadResult[]
}

const folder = mkdtempSync(join(tmpdir(), 'pratu-cache-http-'))
// A worker of nginx that was started by root is somebody else.
chmodSync(folder, 0o755)
mkdirSync(join(folder, 'answers'))
chmodSync(join(folder, 'answers'), 0o777)
const started: RigProcess[] = []
try {
  const bin = options.source ? SOURCE_BIN : buildPackage(folder)
  started.push(...(await startUpstreams(folder)))
  const nginx = await startNginx(folder, NGINX, nginxCache(folder))
  const routes = [
    { path: CHAT, upstream: UPSTREAM },
    { path: `/events${CHAT}`, upstream: EVENT_UPSTREAM },
  ]
  const pratu = await startPratu({
    bin,
    port: PRATU,
    folder,
    configuration: configuration(routes, PLUGINS),
  })
  started.push(nginx, pratu)
  const json = { 'Content-Type': 'application/json' }
  const known = { ...json, apikey: KEY }
  const past = { 'x-pratu-cache': 'bypass' }
  const of = (
    name: string,
    process: RigProcess,
    port: number,
    headers: Readonly<Record<string, string>>,
    path = CHAT,
    body = REQUEST_BODY,
  ): Subject => ({ name, process, port, path, body, headers, results: [] })
  const subjects: readonly Subject[] = [
    of('nginx, miss', nginx, NGINX, { ...json, ...past }),
    of('nginx, hit', nginx, NGINX, json),
    of('Pratu, miss', pratu, PRATU, { ...known, ...past }),
    of('Pratu, hit', pratu, PRATU, known),
    of('Pratu, hit, stream', pratu, PRATU, known, `/events${CHAT}`, STREAM_REQUEST_BODY),
  ]
  for (const { port, path, body, headers } of subjects) {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, { method: 'POST', headers, body })
    if (!answer.ok) throw new Error(`${port}${path} answered ${answer.status}`)
    const text = await answer.text()
    if (!path.startsWith('/events') && text !== ANSWER) throw new Error(`${port} answered ${text}`)
  }
  for (let round = 0; round < Number(options.rounds); round++) {
    for (const { process, port, path, body, headers, results } of subjects) {
      results.push(
        await runWrk(process.pid, {
          url: `http://127.0.0.1:${port}${path}`,
          seconds: Number(options.seconds),
          connections: CONNECTIONS,
          headers,
          body,
        }),
      )
    }
  }
  const unit = cpuOf(subjects[1])
  console.log(
    table(
      ['', 'requests/s', 'MB/s', 'p99 ms', 'CPU µs', 'nginx hit = 1', 'errors'],
      subjects.map((subject) => [
        subject.name,
        median(subject.results.map(({ requestsPerSecond }) => requestsPerSecond)),
        median(subject.results.map(({ bytesPerSecond }) => bytesPerSecond / 1e6)),
        median(subject.results.map(({ p99Ms }) => p99Ms)),
        cpuOf(subject),
        cpuOf(subject) / unit,
        subject.results.reduce((sum, { errors }) => sum + errors, 0),
      ]),
    ),
  )
  save('cache-http', { subjects: subjects.map(({ name, results }) => ({ name, results })) })
} finally {
  for (const process of started.toReversed()) await process.stop()
  rmSync(folder, { recursive: true, force: true })
}

function cpuOf(subject: Subject | undefined): number {
  return minimum((subject?.results ?? []).map(({ cpuMicrosPerRequest }) => cpuMicrosPerRequest))
}
