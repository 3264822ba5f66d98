import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'

export interface GivenServer extends AsyncDisposable {
  readonly url: string
  readonly requests: { readonly headers: IncomingMessage['headers']; readonly body: string }[]
  /** Connections that are open now, those ever opened, and the most requests under way at once. */
  readonly sockets: ReadonlySet<Socket>
  readonly opened: number
  readonly mostAtOnce: number
  /** Resolves once `condition` holds, which is looked at after every event of the server. */
  until(condition: () => boolean): Promise<void>
}

export type Answerer = (
  response: ServerResponse,
  request: { readonly body: string; readonly nth: number; readonly url: string },
) => void | Promise<void>

/** A server on loopback that answers as it is told and counts what it sees. */
export async function givenServer(answer: Answerer): Promise<GivenServer> {
  const requests: GivenServer['requests'] = []
  const sockets = new Set<Socket>()
  const checks = new Set<() => void>()
  let opened = 0
  let atOnce = 0
  let mostAtOnce = 0
  const changed = (): void => checks.forEach((check) => check())
  const server = createServer({ keepAliveTimeout: 0 }, (request, response) => {
    mostAtOnce = Math.max(mostAtOnce, ++atOnce)
    response.once('close', () => {
      atOnce--
      changed()
    })
    let body = ''
    request.setEncoding('utf8').on('data', (text: string) => (body += text))
    request.on('end', () => {
      requests.push({ headers: request.headers, body })
      changed()
      void answer(response, { body, nth: requests.length, url: request.url ?? '' })
    })
  })
  server.on('connection', (socket) => {
    opened++
    sockets.add(socket)
    socket.once('close', () => {
      sockets.delete(socket)
      changed()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    sockets,
    get opened() {
      return opened
    },
    get mostAtOnce() {
      return mostAtOnce
    },
    until: (condition) =>
      new Promise((resolve) => {
        const check = (): void => {
          if (!condition()) return
          checks.delete(check)
          resolve()
        }
        checks.add(check)
        check()
      }),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

export const HELLO = {
  model: 'gpt-4.1',
  messages: [{ role: 'user', content: 'Say hello' }],
} as const

export function completion(content = 'hello', usage?: object): object {
  return {
    id: 'chatcmpl-1',
    object: 'chat.completion',
    created: 1,
    model: 'gpt-4.1',
    choices: [
      {
        index: 0,
        finish_reason: 'stop',
        logprobs: null,
        message: { role: 'assistant', content, refusal: null },
      },
    ],
    usage: usage ?? { prompt_tokens: 9, completion_tokens: 3, total_tokens: 12 },
  }
}

export function answerJson(
  response: ServerResponse,
  status: number,
  body: object,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers })
  response.end(JSON.stringify(body))
}

export function chunk(delta: object, finishReason: string | null = null): string {
  return `data: ${JSON.stringify({
    id: 'chatcmpl-1',
    object: 'chat.completion.chunk',
    created: 1,
    model: 'gpt-4.1',
    choices: [{ index: 0, delta, finish_reason: finishReason }],
  })}\n\n`
}
