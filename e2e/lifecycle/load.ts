/** Clients that keep asking while something happens to the gateway. */
import { Agent, request } from 'node:http'

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly text: string
}

export interface AskOptions {
  readonly port: number
  readonly path: string
  readonly body?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly agent?: Agent
  /** A client that waits longer counts as hung. */
  readonly timeoutMs?: number
}

/** One request, GET without a body. @throws {Error} as the socket does, or when no answer comes in time. */
export function ask(options: AskOptions): Promise<Answer> {
  const { port, path, body, headers, agent, timeoutMs = 10_000 } = options
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        host: '127.0.0.1',
        port,
        path,
        method: body === undefined ? 'GET' : 'POST',
        agent: agent ?? false,
        headers: {
          ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
          ...headers,
        },
      },
      (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('error', reject)
        response.on('end', () => {
          clearTimeout(timer)
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            text: Buffer.concat(chunks).toString(),
          })
        })
      },
    )
    const timer = setTimeout(() => sent.destroy(new Error('hung: no answer in time')), timeoutMs)
    sent.on('error', (error) => {
      clearTimeout(timer)
      reject(error)
    })
    sent.end(body)
  })
}

export interface LoadOptions extends Omit<AskOptions, 'agent'> {
  readonly clients: number
  /** Pause of each client between two requests. */
  readonly pauseMs?: number
  /** @returns what is wrong with an answer, or `undefined`. */
  readonly judge?: (answer: Answer) => string | undefined
}

export interface LoadReport {
  readonly requests: number
  readonly failures: readonly string[]
  readonly slowestMs: number
}

export interface Load {
  readonly requests: number
  stop(): Promise<LoadReport>
}

function judgeStatus({ status }: Answer): string | undefined {
  return status === 200 ? undefined : String(status)
}

/** Keep-alive clients, each one request after the other, until `stop`. */
export function startLoad({ clients, pauseMs = 0, judge, ...options }: LoadOptions): Load {
  const failures: string[] = []
  let requests = 0
  let slowestMs = 0
  let stopped = false
  const client = async (): Promise<void> => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    while (!stopped) {
      const startedAt = performance.now()
      try {
        const answer = await ask({ ...options, agent })
        const wrong = (judge ?? judgeStatus)(answer)
        if (wrong !== undefined) failures.push(wrong)
      } catch (error) {
        failures.push(String(error))
      }
      requests++
      slowestMs = Math.max(slowestMs, performance.now() - startedAt)
      if (pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs))
    }
    agent.destroy()
  }
  const running = Promise.all(Array.from({ length: clients }, client))
  return {
    get requests() {
      return requests
    },
    async stop() {
      stopped = true
      await running
      return { requests, failures, slowestMs }
    },
  }
}

export interface OpenStream {
  /** The first event has arrived. */
  readonly begun: Promise<void>
  /** The whole answer, and how it ended. */
  readonly ended: Promise<{ readonly text: string; readonly cut: boolean }>
}

/** A streamed chat completion through the gateway. */
export function openStream(options: AskOptions): OpenStream {
  let begin: () => void = () => undefined
  let fail: (error: Error) => void = () => undefined
  const begun = new Promise<void>((resolve, reject) => {
    begin = resolve
    fail = reject
  })
  const ended = new Promise<{ text: string; cut: boolean }>((resolve) => {
    let text = ''
    const sent = request(
      {
        host: '127.0.0.1',
        port: options.port,
        path: options.path,
        method: 'POST',
        agent: false,
        headers: { 'Content-Type': 'application/json', ...options.headers },
      },
      (response) => {
        response.on('data', (chunk: Buffer) => {
          text += chunk.toString()
          begin()
        })
        response.on('error', () => resolve({ text, cut: true }))
        response.on('end', () => resolve({ text, cut: !response.complete }))
      },
    )
    sent.on('error', (error) => {
      fail(error)
      resolve({ text, cut: true })
    })
    sent.end(options.body)
  })
  return { begun, ended }
}

/** The body of a chat request. */
export function chatBody(members: Readonly<Record<string, unknown>> = {}): string {
  return JSON.stringify({
    model: 'gpt-4.1',
    messages: [{ role: 'user', content: 'Say hello' }],
    ...members,
  })
}
