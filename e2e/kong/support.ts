/** What the tests of kong.md share: an upstream that tells what reached it, and a client that sends exact bytes. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll } from 'vitest'
import { RawClient } from '../../packages/gateway/src/listener/testing/raw-client.ts'
import { givenGateway, type GivenGateway } from '../gateway.ts'

/** A request as it reached the upstream. */
export interface SeenRequest {
  readonly method: string
  /** Path and query as sent. */
  readonly target: string
  /** Lower-case name → value; repeated fields joined by `, `. */
  readonly headers: ReadonlyMap<string, string>
  /** Names as they were spelt. */
  readonly names: readonly string[]
  readonly body: string
}

export type Respond = (request: SeenRequest, response: ServerResponse) => void

export interface GivenUpstream extends AsyncDisposable {
  readonly url: string
  readonly port: number
  readonly requests: readonly SeenRequest[]
  /** The request that came last. */
  readonly last: SeenRequest
  /** Answers from now on. */
  respond: Respond
}

const sayOk: Respond = (_request, response) => {
  response.writeHead(200, { 'Content-Type': 'text/plain' }).end('ok')
}

/** An HTTP server that records every request and answers `ok` unless told otherwise. */
export async function givenUpstream(respond: Respond = sayOk): Promise<GivenUpstream> {
  const requests: SeenRequest[] = []
  const server = createServer((incoming, response) => {
    void read(incoming).then((request) => {
      requests.push(request)
      given.respond(request, response)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const given: GivenUpstream = {
    url: `http://127.0.0.1:${port}`,
    port,
    requests,
    get last() {
      const last = requests.at(-1)
      if (last === undefined) throw new Error('no request reached the upstream')
      return last
    },
    respond,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
  return given
}

async function read(incoming: IncomingMessage): Promise<SeenRequest> {
  const chunks: Buffer[] = []
  for await (const chunk of incoming) chunks.push(chunk as Buffer)
  const headers = new Map<string, string>()
  const names: string[] = []
  for (let i = 0; i < incoming.rawHeaders.length; i += 2) {
    const name = incoming.rawHeaders[i] ?? ''
    const value = incoming.rawHeaders[i + 1] ?? ''
    const before = headers.get(name.toLowerCase())
    headers.set(name.toLowerCase(), before === undefined ? value : `${before}, ${value}`)
    names.push(name)
  }
  const { method = '', url: target = '' } = incoming
  return { method, target, headers, names, body: Buffer.concat(chunks).toString() }
}

type Fields = Readonly<Record<string, string>> | readonly (readonly [name: string, value: string])[]

/** One request; nothing is sent that is not written here, but for `Host` and the length of a body. */
export interface Asked {
  readonly method?: string
  readonly path?: string
  /** `gateway.test` unless given; `''` for none. */
  readonly host?: string
  readonly headers?: Fields
  readonly body?: string
  /** In place of `body`: sent as it is, framed by whatever the fields say. */
  readonly rawBody?: string
}

export interface Answered {
  readonly status: number
  /** Lower-case name → value; repeated fields joined by `, `. */
  readonly headers: ReadonlyMap<string, string>
  /** Status line and fields as they came. */
  readonly head: string
  readonly text: string
}

/** Sends one request over a connection of its own. */
export async function ask(port: number, asked: Asked = {}): Promise<Answered> {
  const { method = 'GET', path = '/', host = 'gateway.test', headers = {}, body, rawBody } = asked
  const fields = Array.isArray(headers) ? headers : Object.entries(headers)
  const lines = [`${method} ${path} HTTP/1.1`]
  if (host !== '') lines.push(`Host: ${host}`)
  for (const [name, value] of fields) lines.push(`${name}: ${value}`)
  if (body !== undefined) lines.push(`Content-Length: ${Buffer.byteLength(body)}`)
  const client = await RawClient.open(port)
  // What is not complete by then never will be: the client waits no longer.
  void client.serverClosed().then(() => client.destroy())
  try {
    const text = Buffer.from(body ?? rawBody ?? '').toString('latin1')
    const answer = await client.ask(`${lines.join('\r\n')}\r\n\r\n${text}`, {
      isHead: method === 'HEAD',
    })
    const { status, head, headers: received } = answer
    return { status, head, headers: received, text: answer.body.toString() }
  } finally {
    client.destroy()
  }
}

/** A gateway with this configuration; `compatibility: kong` unless the configuration says otherwise. */
export function givenKong(
  configuration: Readonly<Record<string, unknown>>,
  environment: Readonly<Record<string, string>> = {},
): Promise<GivenGateway> {
  return givenGateway({
    configuration: document(configuration),
    environment: { ...KONG, ...environment },
  })
}

const KONG = { PRATU_COMPATIBILITY: 'kong' }

/** One gateway, empty until `configure`, and one upstream for all tests of a file; awaited at the top of the file. */
export async function shareKong(): Promise<{
  readonly upstream: GivenUpstream
  readonly given: GivenGateway
}> {
  const upstream = await givenUpstream()
  const given = await givenKong({})
  afterAll(async () => {
    await given[Symbol.asyncDispose]()
    await upstream[Symbol.asyncDispose]()
  })
  return { upstream, given }
}

/** The same with Pratu's own differences. */
export function givenPratu(
  configuration: Readonly<Record<string, unknown>>,
  environment: Readonly<Record<string, string>> = {},
): Promise<GivenGateway> {
  return givenGateway({ configuration: document(configuration), environment })
}

/** Both kinds, for `test.each`: what must not differ. */
export const BOTH = [
  ['compatibility: kong', givenKong],
  ['compatibility: pratu', givenPratu],
] as const

/** Quotes are kept, so that no text turns into a number or a boolean on the way (kong.md §1.1). */
export function document(configuration: Readonly<Record<string, unknown>>): string {
  return JSON.stringify({ _format_version: '3.0', ...configuration })
}

export interface AdminAnswer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  /** The body, when it is JSON. */
  readonly json: unknown
}

/** A member of parsed JSON; a wrong step gives `undefined`, and then a failed expectation. */
export function at(value: unknown, ...path: readonly (string | number)[]): unknown {
  let found = value
  for (const part of path) {
    if (typeof found !== 'object' || found === null) return undefined
    found = Reflect.get(found, part)
  }
  return found
}

/** Asks the admin port. */
export async function admin(
  given: GivenGateway,
  path: string,
  init: RequestInit = {},
): Promise<AdminAnswer> {
  const response = await fetch(given.adminUrl + path, init)
  const text = await response.text()
  const isJson = response.headers.get('content-type')?.startsWith('application/json') === true
  return {
    status: response.status,
    headers: response.headers,
    text,
    json: isJson ? JSON.parse(text) : undefined,
  }
}

/** `POST /config` with the document as YAML. */
export function configure(
  given: GivenGateway,
  configuration: Readonly<Record<string, unknown>> | string,
  query = '',
): Promise<AdminAnswer> {
  return admin(given, `/config${query}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/yaml' },
    body: typeof configuration === 'string' ? configuration : document(configuration),
  })
}

/** Every `path: message` of an error tree, lists counted from 1 as Kong does (kong.md §1.8). */
export function flatten(tree: unknown, path: readonly string[] = []): string[] {
  if (typeof tree === 'string') return [`${path.join('.')}: ${tree}`]
  if (typeof tree !== 'object' || tree === null) return []
  const isList = Array.isArray(tree)
  if (isList && path.at(-1) === '@entity')
    return tree.map((one) => `${path.join('.')}: ${String(one)}`)
  return Object.entries(tree).flatMap(([key, member]) =>
    flatten(member, [...path, isList ? String(Number(key) + 1) : key]),
  )
}

/** The errors of a configuration that must be refused, as `path: message`. */
export async function refusals(
  given: GivenGateway,
  configuration: Readonly<Record<string, unknown>> | string,
): Promise<string[]> {
  const answer = await configure(given, configuration)
  if (answer.status !== 400) throw new Error(`${answer.status} instead of 400: ${answer.text}`)
  return flatten(at(answer.json, 'fields'))
}
