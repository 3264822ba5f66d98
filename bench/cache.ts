/**
 * The response cache by itself: what a hit, a miss and a stored answer cost, how often a popular request is found, and
 * how much memory the process really takes against the cap.
 *
 *     npm run bench -- cache [rounds]
 *
 * Beside it, where that says something, the obvious alternative: `lru-cache` over one buffer per answer.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { LRUCache } from 'lru-cache'
import type { Exchange } from '../packages/plugin-kit/src/index.ts'
import { givenExchange } from '../packages/plugin-kit/src/testing.ts'
import { MemoryCache } from '../packages/gateway/src/cache/index.ts'
import { HeaderList } from '../packages/gateway/src/http/index.ts'
import { cacheKey } from '../packages/gateway/src/plugins/proxy-cache/cache-key.ts'
import { median, save, table } from './rig/report.ts'

const MIB = 1024 * 1024
const OWNER = '0dc6f45b-8f8d-40d2-a504-473544ee190b'
const LIFETIME = { keepMs: 3_600_000, freshMs: 3_600_000 }
const DISTINCT = 1_000_000
const SIZES = [1_024, 4_096, 65_536]
const OPERATIONS = 20_000
const clock = { now: () => Date.now(), monotonic: () => performance.now() }

const HEAD = {
  status: 200,
  headers: [
    ['Date', 'Tue, 12 May 2026 12:00:00 GMT'],
    ['Content-Type', 'application/json; charset=utf-8'],
    ['openai-version', '2020-10-01'],
    ['openai-processing-ms', '412'],
    ['x-content-type-options', 'nosniff'],
    ['strict-transport-security', 'max-age=31536000; includeSubDomains; preload'],
    ['Server', 'cloudflare'],
    ['alt-svc', 'h3=":443"; ma=86400'],
  ].flat(),
}

interface Subject {
  readonly name: string
  readonly store: (key: string, body: Buffer) => void
  /** @returns the number of body bytes; -1 when there is nothing. */
  readonly read: (key: string) => number
}

function pages(maxBytes: number): Subject {
  const cache = new MemoryCache({ maxBytes, clock })
  return {
    name: 'pages',
    store: (key, body) => {
      const writer = cache.open(OWNER, key, HEAD)
      writer?.write(body)
      writer?.commit(LIFETIME)
    },
    read: (key) => cache.read(OWNER, key)?.body.length ?? -1,
  }
}

function buffers(maxBytes: number): Subject {
  const overheadBytes = 600
  const cache = new LRUCache<string, { head: readonly string[]; body: Buffer; at: number }>({
    maxSize: maxBytes,
  })
  return {
    name: 'buffers',
    store: (key, body) => {
      const copy = Buffer.allocUnsafeSlow(body.length)
      body.copy(copy)
      const size = body.length + overheadBytes
      cache.set(key, { head: [...HEAD.headers], body: copy, at: performance.now() }, { size })
    },
    read: (key) => cache.get(key)?.body.length ?? -1,
  }
}

/** Keys as digests look, made at run time. */
function keyOf(i: number): string {
  return Math.imul(i, 0x9e3779b1).toString(16).padStart(9, '0').repeat(7) + (i % 16).toString(16)
}

/** The same numbers in every run. */
function createRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 0x1_0000_0000
  }
}

function nanosPer(operations: number, run: () => void): number {
  const start = process.hrtime.bigint()
  run()
  return Number(process.hrtime.bigint() - start) / operations
}

function measureOperations(rounds: number): (string | number)[][] {
  const rows: (string | number)[][] = []
  for (const size of SIZES) {
    const body = Buffer.alloc(size, 'x')
    const hits = Math.min(1_000, Math.floor((48 * MIB) / size))
    for (const create of [pages, buffers]) {
      const subject = create(128 * MIB)
      const figures = { store: [] as number[], hit: [] as number[], miss: [] as number[] }
      for (let round = 0; round < rounds; round++) {
        const count = Math.min(OPERATIONS, hits * 20)
        figures.store.push(
          nanosPer(count, () => {
            for (let i = 0; i < count; i++) subject.store(keyOf(i % hits), body)
          }),
        )
        figures.hit.push(
          nanosPer(count, () => {
            for (let i = 0; i < count; i++) {
              if (subject.read(keyOf(i % hits)) !== size) throw new Error('not a hit')
            }
          }),
        )
        figures.miss.push(
          nanosPer(count, () => {
            for (let i = 0; i < count; i++) {
              if (subject.read(keyOf(1e6 + i)) !== -1) throw new Error('not a miss')
            }
          }),
        )
      }
      const { store, hit, miss } = figures
      rows.push([subject.name, size, median(store), median(hit), median(miss)])
    }
  }
  return rows
}

function measureKeys(rounds: number): (string | number)[][] {
  return [0, 1_024, 16_384].map((size) => {
    const exchange = postExchange()
    const body = Buffer.alloc(size, 'x')
    const options = { ignorePathCase: false, varyQuery: [], varyHeaders: [] }
    const figures = Array.from({ length: rounds }, () =>
      nanosPer(OPERATIONS, () => {
        for (let i = 0; i < OPERATIONS; i++) cacheKey(exchange, options, body)
      }),
    )
    return [size, median(figures)]
  })
}

/** A chat request of an SDK, as the gateway would send it on. */
function postExchange(): Exchange {
  const fields = {
    'Content-Type': 'application/json',
    Accept: 'application/json',
    'User-Agent': 'OpenAI/JS 6.49.0',
    Authorization: 'Bearer sk-0123456789abcdef0123456789abcdef',
    'X-Stainless-Lang': 'js',
    'X-Stainless-Os': 'Linux',
    'X-Stainless-Runtime': 'node',
    'X-Forwarded-For': '192.0.2.1',
    'X-Forwarded-Proto': 'http',
    'X-Forwarded-Host': 'gateway.test',
    'X-Forwarded-Port': '8000',
    'X-Forwarded-Path': '/v1/chat/completions',
    'X-Real-IP': '192.0.2.1',
    'X-Consumer-ID': 'a4bbaba3-2e4c-4f2f-8b6c-6d7d2f1b6f10',
    'X-Credential-Identifier': '5c3e3a0a-90dc-4e3f-9a8e-9a8f7d9a6b11',
    'X-Kong-Request-Id': '0123456789abcdef0123456789abcdef',
  }
  const given = givenExchange({ method: 'POST', target: '/v1/chat/completions', consumer: {} })
  const headers = () => new HeaderList(Object.entries(fields).flat())
  return {
    ...given,
    request: { ...given.request, headers: headers() },
    upstream: { ...given.upstream, headers: headers() },
  }
}

/** Share of requests found, when popularity follows Zipf's law and the cache holds `share` of all answers. */
function measureHitRatios(): (string | number)[][] {
  const keys = 50_000
  const requests = 400_000
  const body = Buffer.alloc(1_500, 'x')
  const entryBytes = 5 * 516
  return [0.7, 0.9, 1.1].flatMap((exponent) => {
    const popularity = cumulate(keys, exponent)
    return [0.01, 0.05, 0.2].map((share) => {
      const held = Math.round(keys * share)
      const subject = pages(held * entryBytes)
      const random = createRandom(7)
      let found = 0
      for (let i = 0; i < requests; i++) {
        const key = keyOf(pick(popularity, random()))
        if (subject.read(key) >= 0) found += i >= requests / 2 ? 1 : 0
        else subject.store(key, body)
      }
      // The best that any policy without foresight could do: always hold the most popular.
      const best = popularity[held - 1] ?? 1
      return [exponent, `${share * 100} %`, found / (requests / 2), best]
    })
  })
}

function cumulate(keys: number, exponent: number): Float64Array {
  const sums = new Float64Array(keys)
  let sum = 0
  for (let i = 0; i < keys; i++) sums[i] = sum += 1 / (i + 1) ** exponent
  return sums.map((value) => value / sum)
}

/** The first rank whose cumulated share is above `at`. */
function pick(cumulated: Float64Array, at: number): number {
  let [low, high] = [0, cumulated.length - 1]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((cumulated[middle] ?? 1) <= at) low = middle + 1
    else high = middle
  }
  return low
}

/** Resident memory that the cap costs, in a process of its own: its peak, less that of the same work with a cap of 1 MiB. */
async function measureMemory(): Promise<(string | number)[][]> {
  const rows: (string | number)[][] = []
  for (const kind of ['pages', 'buffers']) {
    const floor = await peakOf(kind, 1)
    for (const capMiB of [64, 256]) {
      const grown = (await peakOf(kind, capMiB)) - floor
      rows.push([kind, capMiB, grown / MIB, grown / MIB / capMiB])
    }
  }
  return rows
}

async function peakOf(kind: string, capMiB: number): Promise<number> {
  const child = fork(fileURLToPath(import.meta.url), ['--fill', kind, String(capMiB)])
  const [peak] = await once(child, 'message')
  if (typeof peak !== 'number') throw new Error('the child reported no figure')
  return peak
}

/** In the child: a million distinct answers of 150 B to 15 KB. */
async function fill(kind: string, capMiB: number): Promise<void> {
  const subject = (kind === 'pages' ? pages : buffers)(capMiB * MIB)
  const random = createRandom(42)
  const body = Buffer.alloc(16 * 1024, 'x')
  let peak = 0
  for (let i = 0; i < DISTINCT; i++) {
    const size = Math.floor(Math.exp(7.3 + (random() + random() + random() - 1.5) * 1.5))
    subject.store(keyOf(i), body.subarray(0, Math.min(size, body.length)))
    if (i % 2_000 > 0) continue
    peak = Math.max(peak, process.memoryUsage.rss())
    await new Promise(setImmediate)
  }
  process.send?.(peak)
}

async function main(rounds: number): Promise<void> {
  const operations = measureOperations(rounds)
  console.log(`\n${table(['store', 'body bytes', 'store ns', 'hit ns', 'miss ns'], operations)}`)
  const keys = measureKeys(rounds)
  console.log(`\n${table(['request body bytes', 'key of proxy-cache ns'], keys)}`)
  const ratios = measureHitRatios()
  console.log(`\n${table(['Zipf exponent', 'held', 'hit ratio', 'best possible'], ratios)}`)
  const memory = await measureMemory()
  console.log(`\n${table(['store', 'cap MiB', 'RSS growth MiB', 'of the cap'], memory)}`)
  save('cache', { operations, keys, ratios, memory })
}

const [first, kind, cap] = process.argv.slice(2)
if (first === '--fill') await fill(kind ?? 'pages', Number(cap))
else await main(Number(first ?? 7))
