/** A gateway whose AI traffic is limited, before a simulator and before providers that stream until they are stopped. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { startSimulator, type Simulator } from '@pratu/simulator'
import { chat, givenGateway, type GivenGateway } from '../gateway.ts'
import { scrape, sumOf } from '../metrics-text.ts'

export interface AiLimitedGiven {
  /** YAML of the plugin's limits, a flow sequence: `{quantity: …}, {…}`. */
  readonly limits: string
  /** More members of the plugin's configuration, as YAML lines. */
  readonly config?: readonly string[]
  /** More YAML of the service `chat`, a line each. */
  readonly service?: readonly string[]
  /** More plugins, as YAML lines. */
  readonly plugins?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  readonly providers?: readonly StreamingProvider[]
  /** How long the provider may be silent; 500 by default. */
  readonly timeoutMs?: number
}

export interface AiLimited extends GivenGateway {
  readonly simulator: Simulator
  /** The YAML that it runs on. */
  readonly configuration: string
  ask(
    body?: Readonly<Record<string, unknown>>,
    headers?: Readonly<Record<string, string>>,
  ): Promise<Response>
  metric(name: string, labels?: Readonly<Record<string, string>>): Promise<number>
}

export async function givenAiLimited(given: AiLimitedGiven): Promise<AiLimited> {
  const simulator = await startSimulator()
  const line = (text: string): string => `  ${text}\n`
  const providers = given.providers ?? []
  const configuration = `_format_version: "3.0"
services:
- name: chat
  url: ${simulator.url}/v1/chat/completions
  read_timeout: ${given.timeoutMs ?? 500}
${(given.service ?? []).map(line).join('')}  routes:
  - {name: chat, paths: [/v1/chat/completions], strip_path: false}
${providers.map(({ name, url, path }) => `- {name: ${name}, url: "${url}", routes: [{name: ${name}, paths: ["${path}"], strip_path: false}]}\n`).join('')}plugins:
- name: ai-limits
  config:
    limits: [${given.limits}]
${(given.config ?? []).map((text) => `    ${text}\n`).join('')}${(given.plugins ?? []).map((text) => `${text}\n`).join('')}`
  const inner = await givenGateway({
    configuration,
    ...(given.environment === undefined ? {} : { environment: given.environment }),
  })
  return {
    ...inner,
    simulator,
    configuration,
    ask: (body, headers) => fetch(`${inner.url}/v1/chat/completions`, chat(body, headers)),
    metric: async (name, labels = {}) =>
      sumOf((await scrape(inner.adminUrl)).samples, name, labels),
    async [Symbol.asyncDispose]() {
      await inner[Symbol.asyncDispose]()
      await simulator.close()
    },
  }
}

/** A provider that streams events until its client leaves; `events` says what the nth one is. */
export interface StreamingProvider extends AsyncDisposable {
  readonly name: string
  /** The service's URL. */
  readonly url: string
  /** The route's path. */
  readonly path: string
  /** How many events were written when the client left. */
  readonly left: Promise<number>
}

export async function startStreaming(
  name: string,
  path: string,
  opening: readonly string[],
  event: (index: number) => string,
): Promise<StreamingProvider> {
  let leave: (written: number) => void = () => undefined
  const left = new Promise<number>((resolve) => (leave = resolve))
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    request.resume()
    response.writeHead(200, { 'Content-Type': 'text/event-stream' })
    response.write(opening.join(''))
    let written = 0
    const timer = setInterval(() => response.write(event(written++)), 2)
    response.on('close', () => {
      clearInterval(timer)
      leave(written)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return {
    name,
    path,
    url: `http://127.0.0.1:${address.port}${path}`,
    left,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

/** The JSON data of a stream's events, in order; what is no JSON as its text. */
export function eventsOf(stream: string): unknown[] {
  return stream
    .split(/\r?\n\r?\n/)
    .flatMap((event) => event.split(/\r?\n/))
    .filter((line) => line.startsWith('data: '))
    .map((line) => {
      const data = line.slice('data: '.length)
      try {
        return JSON.parse(data) as unknown
      } catch {
        return data
      }
    })
}
