import type { RequestView } from '@pratu/plugin-kit'
import type { RequestLimits } from '../../config/index.ts'
import { renderBareError, toGatewayError, type ErrorCode } from '../../errors/index.ts'
import { HeaderList, MemoryBudget } from '../../http/index.ts'
import type { ClientChannel } from '../../pipeline/index.ts'
import {
  createListener,
  type Listener,
  type ListenerOptions,
  type RequestListener,
} from '../index.ts'
import { RawClient } from './raw-client.ts'

/** Product defaults where a test does not care; time limits short enough for tests. */
export const TEST_LIMITS: RequestLimits = {
  headerBytes: 16 * 1024,
  headerFields: 100,
  urlBytes: 8 * 1024,
  bodyBytes: 1024 * 1024,
  aiBodyBytes: 4 * 1024 * 1024,
  jsonDepth: 64,
  jsonMembers: 10_000,
  headersTimeoutMs: 300,
  bodyTimeoutMs: 400,
  bodyFloorBytesPerSecond: 1024,
  bodyGraceMs: 100,
  keepAliveTimeoutMs: 400,
  writeStallMs: 300,
  maxConnections: 1000,
  requestBufferBytes: 1024 * 1024,
}

/** What one request looked like to the gateway. */
export interface Seen {
  readonly request: RequestView
  readonly client: ClientChannel
}

export interface Started {
  readonly listener: Listener
  readonly port: number
  /** Every request that reached the gateway, in order. */
  readonly seen: Seen[]
  readonly refused: {
    readonly code: ErrorCode
    readonly phase: string
    readonly reason: string | undefined
  }[]
  readonly defects: unknown[]
  readonly memory: MemoryBudget
  readonly connect: () => Promise<RawClient>
  readonly stop: () => Promise<void>
}

export type TestOptions = Partial<Omit<ListenerOptions, 'limits' | 'memory'>> & {
  readonly limits?: Partial<RequestLimits>
  readonly memoryBytes?: number
}

/** Starts a listener on a free port; `onRequest` answers, by default like {@link echo}. */
export async function startListener(
  options: TestOptions = {},
  onRequest: RequestListener = echo,
): Promise<Started> {
  const { limits, memoryBytes, ...rest } = options
  const seen: Seen[] = []
  const refused: Started['refused'] = []
  const defects: unknown[] = []
  const clients: RawClient[] = []
  const memory = new MemoryBudget(memoryBytes ?? 16 * 1024 * 1024)
  const listener = createListener(
    {
      trustedIps: [],
      realIpHeader: 'X-Real-IP',
      realIpRecursive: false,
      pathMode: 'strict',
      healthPaths: new Set(['/health']),
      lingerMs: 200,
      renderRefusal: (error, requestId) => renderBareError(error, requestId),
      onRefused: (code, phase, request) => refused.push({ code, phase, reason: request?.reason }),
      onDefect: (error) => defects.push(error),
      ...rest,
      limits: { ...TEST_LIMITS, ...limits },
      memory,
    },
    (request, client) => {
      seen.push({ request, client })
      onRequest(request, client)
    },
  )
  const { port } = await listener.listen({ host: '127.0.0.1', port: 0 })
  return {
    listener,
    port,
    seen,
    refused,
    defects,
    memory,
    connect: async () => {
      const client = await RawClient.open(port)
      clients.push(client)
      return client
    },
    stop: async () => {
      for (const client of clients) client.destroy()
      await listener.close(0)
    },
  }
}

/** Answers with a fixed text at once. */
export function answer(
  client: ClientChannel,
  status: number,
  text: string,
  fields: readonly string[] = [],
): void {
  const body = Buffer.from(text)
  client.head({
    status,
    headers: new HeaderList(['Content-Length', String(body.length), ...fields]),
  })
  if (body.length > 0) client.write(body)
  client.end()
}

/** Reads the whole body and answers with `METHOD path body`; errors as a pipeline would. */
export function echo(request: RequestView, client: ClientChannel): void {
  void echoBody(request, client)
}

async function echoBody(request: RequestView, client: ClientChannel): Promise<void> {
  try {
    const body = Buffer.from(await request.body.bytes(Infinity))
    answer(client, 200, `${request.method} ${request.path} ${body.toString('latin1')}`)
  } catch (error) {
    answerError(client, error)
  }
}

export function answerError(client: ClientChannel, error: unknown): void {
  const { status, code } = toGatewayError(error)
  answer(client, status, code)
}
