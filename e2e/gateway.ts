/** Starts a gateway inside the test's own process: real sockets, real configuration, real settings. */
import { readFileSync } from 'node:fs'
import { readNodeSettings } from '../packages/gateway/src/config/index.ts'
import { startGateway, type Gateway } from '../packages/gateway/src/runtime/index.ts'
import { startSimulator, type Simulator, type SimulatorOptions } from '@pratu/simulator'

export interface GivenGateway extends AsyncDisposable {
  readonly gateway: Gateway
  readonly url: string
  readonly port: number
  readonly adminUrl: string
  readonly adminPort: number
}

export interface GatewayGiven {
  /** YAML of the declarative configuration. */
  readonly configuration: string
  /** `PRATU_*` and `KONG_*` variables; ports are free ones and logs are off unless given. */
  readonly environment?: Readonly<Record<string, string>>
}

const FACTS = {
  hostname: 'test-host',
  cpus: 2,
  memoryLimitBytes: undefined,
  namespace: 'test-namespace',
  readText: (path: string): string => readFileSync(path, 'utf8'),
}

export async function givenGateway({
  configuration,
  environment,
}: GatewayGiven): Promise<GivenGateway> {
  const variables = {
    PRATU_PROXY_LISTEN: '127.0.0.1:0',
    PRATU_ADMIN_LISTEN: '127.0.0.1:0',
    PRATU_PROXY_ACCESS_LOG: 'off',
    PRATU_ADMIN_ACCESS_LOG: 'off',
    PRATU_ERROR_LOG: '/dev/null',
    PRATU_CONFIG_STRING: configuration,
    ...environment,
  }
  const { settings, warnings } = readNodeSettings({}, variables, FACTS)
  const gateway = await startGateway({ settings, warnings, environment: variables })
  const port = gateway.proxyAddresses[0]?.port ?? 0
  const adminPort = gateway.adminAddresses[0]?.port ?? 0
  return {
    gateway,
    port,
    adminPort,
    url: `http://127.0.0.1:${port}`,
    adminUrl: `http://127.0.0.1:${adminPort}`,
    [Symbol.asyncDispose]: () => gateway.drain({ minimumMs: 0, timeoutMs: 0 }),
  }
}

export interface GivenAiGateway extends GivenGateway {
  readonly simulator: Simulator
}

/** A gateway with one chat-completions service on a simulator, and whatever `plugins` adds at the top level. */
export async function givenAiGateway(
  given: {
    readonly simulator?: SimulatorOptions
    readonly plugins?: string
    readonly service?: string
    readonly environment?: Readonly<Record<string, string>>
  } = {},
): Promise<GivenAiGateway> {
  const simulator = await startSimulator(given.simulator)
  const configuration = `_format_version: "3.0"
services:
- name: chat
  url: ${simulator.url}/v1/chat/completions
${given.service ?? ''}
  routes:
  - name: chat
    paths: [/v1/chat]
    strip_path: false
${given.plugins ?? ''}
`
  const inner = await givenGateway({
    configuration,
    ...(given.environment === undefined ? {} : { environment: given.environment }),
  })
  return {
    ...inner,
    simulator,
    async [Symbol.asyncDispose]() {
      await inner[Symbol.asyncDispose]()
      await simulator.close()
    },
  }
}

/** A chat request for `fetch`. */
export function chat(
  body: Readonly<Record<string, unknown>> = {},
  headers: Readonly<Record<string, string>> = {},
): RequestInit {
  return {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...headers },
    body: JSON.stringify({
      model: 'gpt-4.1',
      messages: [{ role: 'user', content: 'Say hello' }],
      ...body,
    }),
  }
}
