/** Gateways that limit and answer by themselves, and a client that asks many things at once. */
import { Agent, request } from 'node:http'
import { startPratu, type PratuProcess, type PratuProcessOptions } from '../pratu-process.ts'

const agent = new Agent({ keepAlive: true, maxSockets: 300 })

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
  readonly body: string
  readonly ms: number
}

export function get(url: string, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
  const startedMs = performance.now()
  return new Promise((resolve, reject) => {
    const outgoing = request(url, { agent, headers }, (incoming) => {
      const chunks: Buffer[] = []
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
      incoming.on('error', reject)
      incoming.on('end', () => {
        resolve({
          status: incoming.statusCode ?? 0,
          headers: incoming.headers,
          body: Buffer.concat(chunks).toString(),
          ms: performance.now() - startedMs,
        })
      })
    })
    outgoing.on('error', reject)
    outgoing.end()
  })
}

/** A route `/limited` with `rate-limiting`, answered without an upstream. */
export function limitedConfiguration(config: readonly string[], top = ''): string {
  return `_format_version: "3.0"
${top}
routes:
- name: limited
  paths: [/limited]
  plugins:
  - name: rate-limiting
    config:
${config.map((line) => `      ${line}`).join('\n')}
  - name: request-termination
    config: {status_code: 200, message: "in"}
- name: free
  paths: [/free]
  plugins:
  - name: request-termination
    config: {status_code: 200, message: "in"}
`
}

export interface Limited extends AsyncDisposable {
  readonly gateways: readonly PratuProcess[]
  /** `count` requests at once, spread over all gateways. */
  burst(count: number, scope: string): Promise<readonly Answer[]>
}

/** So many gateways as processes of their own, which limit by the header `x-who`. */
export async function startLimited(
  count: number,
  configuration: string,
  options: (index: number) => PratuProcessOptions = () => ({}),
): Promise<Limited> {
  const gateways = await Promise.all(
    Array.from({ length: count }, (_, i) => startPratu({ configuration, ...options(i) })),
  )
  return {
    gateways,
    burst: (requests, scope) =>
      Promise.all(
        Array.from({ length: requests }, (_, i) =>
          get(`${gateways[i % count]?.proxyUrl ?? ''}/limited`, { 'x-who': scope }),
        ),
      ),
    async [Symbol.asyncDispose]() {
      await Promise.all(gateways.map((gateway) => gateway.stop()))
    },
  }
}

export function statuses(answers: readonly Answer[]): Record<number, number> {
  const counts: Record<number, number> = {}
  for (const { status } of answers) counts[status] = (counts[status] ?? 0) + 1
  return counts
}

export const isMessage =
  (message: string) =>
  ({ msg }: Readonly<Record<string, unknown>>): boolean =>
    msg === message
