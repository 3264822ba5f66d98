/** What the tests of AI traffic share: a metered service, its log lines, and clients that behave badly. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  startSimulator,
  type RecordedRequest,
  type Simulator,
  type SimulatorOptions,
} from '@pratu/simulator'
import { RawClient } from '../../packages/gateway/src/listener/testing/raw-client.ts'
import { chat, givenGateway, type GivenGateway } from '../gateway.ts'
import { scrape, sumOf } from '../metrics-text.ts'

export interface TrafficGiven {
  readonly simulator?: SimulatorOptions
  /** Of the service, which then decides what its traffic is. Default: chat completions; empty: a plain service. */
  readonly servicePath?: string
  /** More YAML of the service, indented by two. */
  readonly service?: string
  /** More YAML at the top level. */
  readonly plugins?: string
  readonly environment?: Readonly<Record<string, string>>
}

/** One line of the access log. */
export interface AccessLine {
  readonly outcome: string
  readonly request: { readonly id: string }
  readonly response: { readonly status: number }
  readonly upstream_status?: string
  readonly tries: readonly { readonly error?: string }[]
  readonly ai?: {
    readonly model?: string
    readonly streamed: boolean
    readonly usage: {
      readonly prompt_tokens: number
      readonly completion_tokens: number
      readonly source: string
    }
    readonly time_to_first_token_ms?: number
  }
}

export interface GivenTraffic extends GivenGateway {
  readonly simulator: Simulator
  /** Sends one chat request. */
  ask(body?: Readonly<Record<string, unknown>>, fault?: string): Promise<Response>
  /** The access log as soon as it has `count` lines. */
  lines(count: number): Promise<AccessLine[]>
  /** A metric's sum over all series with these labels. */
  metric(name: string, labels?: Readonly<Record<string, string>>): Promise<number>
  /** Resolves when no byte of a body is held any more and every exchange has settled. @throws {Error} if that never happens. */
  quiet(): Promise<void>
}

/** A gateway before a simulator, with an access log to look into; the provider may be silent for 400 ms. */
export async function givenTraffic(given: TrafficGiven = {}): Promise<GivenTraffic> {
  const folder = mkdtempSync(join(tmpdir(), 'pratu-traffic-'))
  const log = join(folder, 'access.log')
  const simulator = await startSimulator(given.simulator)
  const gateway = await givenGateway({
    configuration: `_format_version: "3.0"
services:
- name: chat
  url: ${simulator.url}${given.servicePath ?? '/v1/chat/completions'}
  read_timeout: 400
${given.service ?? ''}
  routes:
  - {name: chat, paths: [/v1/chat], strip_path: false}
${given.plugins ?? ''}
`,
    environment: { PRATU_PROXY_ACCESS_LOG: log, ...given.environment },
  })
  const inner = { ...gateway, simulator }
  const metric = async (name: string, labels = {}): Promise<number> =>
    sumOf((await scrape(inner.adminUrl)).samples, name, labels)
  return {
    ...inner,
    metric,
    ask: (body = {}, fault) =>
      fetch(
        `${inner.url}/v1/chat/completions`,
        chat(body, fault === undefined ? {} : { 'x-simulator-fault': fault }),
      ),
    lines: async (count) => {
      let lines: AccessLine[] = []
      await until(() => {
        lines = readFileSync(log, 'utf8')
          .split('\n')
          // What stands behind the last line end is still being written.
          .slice(0, -1)
          .map((line) => JSON.parse(line) as AccessLine)
        return lines.length >= count
      }, `${count} lines in the access log`)
      return lines
    },
    quiet: async () => {
      await until(
        async () =>
          (await metric('pratu_memory_buffer_bytes')) === 0 &&
          (await metric('pratu_requests_in_flight')) === 0,
        'no byte held and no exchange open',
      )
    },
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]()
      await simulator.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** Resolves when the condition holds. @throws {Error} after ten seconds. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what: string,
): Promise<void> {
  const deadline = performance.now() + 10_000
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`never happened: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** Everything that arrived of an answer, and what broke. */
export async function readAll(
  answer: Response,
): Promise<{ readonly bytes: Buffer; readonly text: string; readonly error: unknown }> {
  const chunks: Uint8Array[] = []
  let error: unknown
  try {
    for await (const chunk of answer.body ?? []) chunks.push(chunk)
  } catch (thrown) {
    error = thrown
  }
  const bytes = Buffer.concat(chunks)
  return { bytes, text: bytes.toString('utf8'), error }
}

/** A chat request as bytes, one to a character. */
export function rawChat(
  body: Readonly<Record<string, unknown>>,
  headers: Readonly<Record<string, string>> = {},
): string {
  const message = { model: 'gpt-4.1', messages: [{ role: 'user', content: 'Say hello' }], ...body }
  const text = Buffer.from(JSON.stringify(message)).toString('latin1')
  const fields = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return `POST /v1/chat/completions HTTP/1.1\r\nHost: gateway.test\r\nContent-Type: application/json\r\nContent-Length: ${text.length}\r\n${fields.join('')}\r\n${text}`
}

/** A client that sends exactly these bytes; it is gone at the end of the test's scope. */
export async function openRaw(port: number): Promise<RawClient & AsyncDisposable> {
  const client = await RawClient.open(port)
  return Object.assign(client, {
    [Symbol.asyncDispose]: () => {
      client.destroy()
      return Promise.resolve()
    },
  })
}

/** How long after `sinceMs` the gateway closed its connection to the provider, ms. */
export async function closedAfter(request: RecordedRequest, sinceMs: number): Promise<number> {
  const { by, atMs } = await request.closed
  if (by !== 'client') throw new Error('the provider closed the connection itself')
  return atMs - sinceMs
}
