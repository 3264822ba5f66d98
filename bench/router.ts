/**
 * Nanoseconds per match of the router, beside the sequential reference that the tests hold it against, in the same run.
 *
 *     node bench/router.ts [rounds]
 *
 * Each size is measured on four mixes of routes; every round asks a shuffled list of requests of which nine in ten match.
 * Reach (issue 2, part 4): at most 1,000 ns at up to 100 routes and 3,000 ns at 10,000.
 */
import { cpus } from 'node:os'
import { HeaderList } from '../packages/gateway/src/http/index.ts'
import {
  createRouter,
  type MatchInput,
  type Router,
  type RouterEntry,
} from '../packages/gateway/src/router/index.ts'
import { makeRoute, routeId } from '../packages/gateway/src/router/testing/make-route.ts'
import { createSequentialRouter } from '../packages/gateway/src/router/testing/sequential-router.ts'
import type { Route } from '../packages/gateway/src/config/index.ts'

const SIZES = [1, 10, 100, 1_000, 10_000]
const REACH_NS = new Map([
  [1, 1_000],
  [10, 1_000],
  [100, 1_000],
  [10_000, 3_000],
])
const REQUESTS = 1_024
const ROUND_MS = 60

interface Mix {
  readonly name: string
  readonly route: (i: number) => Partial<Route>
  /** Host and path of a request for route `i`. */
  readonly ask: (i: number) => readonly [host: string, path: string]
}

const prefixes: Mix = {
  name: 'prefixes',
  route: (i) => ({ paths: [`/team-${i}/v1/chat`] }),
  ask: (i) => ['api.example.com', `/team-${i}/v1/chat/completions`],
}
const hosts: Mix = {
  name: 'hosts',
  route: (i) => ({
    hosts: i % 10 === 0 ? [`*.t${i}.example.com`] : [`t${i}.example.com`],
    paths: ['/v1'],
  }),
  ask: (i) => [
    i % 10 === 0 ? `eu.t${i}.example.com` : `t${i}.example.com:8000`,
    '/v1/chat/completions',
  ],
}
const regexes: Mix = {
  name: 'regexes',
  route: (i) => ({ paths: [`~/r${i}/(?<version>v\\d+)/[^/]+/completions$`] }),
  ask: (i) => ['api.example.com', `/r${i}/v1/chat/completions`],
}
const FAMILIES = [prefixes, hosts, regexes]
const familyOf = (i: number): Mix => FAMILIES[i % FAMILIES.length] ?? prefixes
const mixed: Mix = {
  name: 'mixed',
  route: (i) => ({
    ...familyOf(i).route(i),
    ...(i % 4 === 0 ? { methods: ['POST', 'GET'] } : {}),
    ...(i % 50 === 0 ? { headers: new Map([['x-tenant', [`t${i}`, 'any']]]) } : {}),
  }),
  ask: (i) => familyOf(i).ask(i),
}

/** The same numbers in every run. */
function createRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 0x1_0000_0000
  }
}

function makeRequests(mix: Mix, size: number): readonly MatchInput[] {
  const random = createRandom(size)
  return Array.from({ length: REQUESTS }, () => {
    const i = Math.floor(random() * size)
    const [host, path] = mix.ask(i)
    const flat = ['Host', host, 'Content-Type', 'application/json', 'Accept', '*/*', 'X-Tenant']
    return {
      method: 'POST',
      host,
      // Joined at run time, as a parser would deliver it: no interned string to be found by identity.
      path: Buffer.from(random() < 0.1 ? `/nowhere/${i}` : path).toString('latin1'),
      scheme: 'http',
      port: 8000,
      headers: new HeaderList([...flat, 'any']),
    }
  })
}

/** Nanoseconds per match in one round of about `ROUND_MS`. */
function measureRound(router: Router<number>, requests: readonly MatchInput[]): number {
  let matches = 0
  let found = 0
  const start = performance.now()
  let elapsed: number
  do {
    for (const request of requests) if (router.match(request) !== undefined) found += 1
    matches += requests.length
    elapsed = performance.now() - start
  } while (elapsed < ROUND_MS)
  if (found === 0) throw new Error('the benchmark matched nothing')
  return (elapsed * 1e6) / matches
}

interface Figures {
  readonly min: number
  readonly median: number
}

function summarise(rounds: readonly number[]): Figures {
  const sorted = rounds.toSorted((a, b) => a - b)
  return { min: sorted[0] ?? 0, median: sorted[Math.floor(sorted.length / 2)] ?? 0 }
}

function agree(left: Router<number>, right: Router<number>, requests: readonly MatchInput[]): void {
  for (const request of requests.slice(0, 100)) {
    if (left.match(request)?.value !== right.match(request)?.value) {
      throw new Error(`the routers disagree on ${request.host}${request.path}`)
    }
  }
}

function format(value: number): string {
  return Math.round(value).toLocaleString('en-US').padStart(10)
}

function main(rounds: number): void {
  const write = (line: string): void => void process.stdout.write(`${line}\n`)
  write(`${cpus()[0]?.model ?? 'unknown CPU'}, Node ${process.version}, ${rounds} rounds`)
  write('')
  write('| mix      | routes |  build ms | ns min     | ns median  | sequential | factor | reach |')
  write('|----------|-------:|----------:|-----------:|-----------:|-----------:|-------:|-------|')
  for (const mix of [prefixes, hosts, regexes, mixed]) {
    for (const size of SIZES) {
      const entries: readonly RouterEntry<number>[] = Array.from({ length: size }, (_, i) => ({
        route: makeRoute(routeId(i), mix.route(i)),
        value: i,
      }))
      const built = performance.now()
      const indexed = createRouter(entries)
      const buildMs = performance.now() - built
      const sequential = createSequentialRouter(entries)
      const requests = makeRequests(mix, size)
      agree(indexed, sequential, requests)
      measureRound(indexed, requests)
      // Alternating, so that a busy moment of the machine falls on both.
      const ours: number[] = []
      const baseline: number[] = []
      for (let round = 0; round < rounds; round += 1) {
        ours.push(measureRound(indexed, requests))
        baseline.push(measureRound(sequential, requests.slice(0, size > 1_000 ? 32 : REQUESTS)))
      }
      const figures = summarise(ours)
      const reference = summarise(baseline)
      const reach = REACH_NS.get(size)
      const verdict = reach === undefined ? '' : figures.median <= reach ? 'yes' : 'NO'
      write(
        `| ${mix.name.padEnd(8)} | ${String(size).padStart(6)} |${buildMs.toFixed(1).padStart(10)} | ${format(figures.min)} | ${format(figures.median)} | ${format(reference.median)} | ${(reference.median / figures.median).toFixed(1).padStart(6)} | ${verdict.padEnd(5)} |`,
      )
    }
  }
}

main(Number(process.argv[2] ?? 7))
