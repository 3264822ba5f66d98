import http from 'node:http'

export interface ApiAnswer {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  readonly text: string
  readonly bytes: Buffer
}

/** Sends one request over node:http and reads the whole answer. Rejects when the answer breaks off. */
export function call(
  url: string,
  options: {
    method?: string
    headers?: Record<string, string>
    body?: string | Buffer
    agent?: http.Agent
    signal?: AbortSignal
  } = {},
): Promise<ApiAnswer> {
  const { body, ...rest } = options
  const method = body === undefined ? 'GET' : 'POST'
  return new Promise((resolve, reject) => {
    const request = http.request(url, { method, ...rest }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => {
        const bytes = Buffer.concat(chunks)
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          text: bytes.toString('utf8'),
          bytes,
        })
      })
    })
    request.on('error', reject)
    request.end(body)
  })
}

/** The `data` of every event, in order, for bodies in ordinary framing. */
export function eventData(text: string): string[] {
  return text
    .split('\n\n')
    .filter((event) => event.startsWith('data: '))
    .map((event) => event.slice('data: '.length))
}

/** Reads a value by path from parsed JSON; `undefined` where there is nothing. */
export function at(value: unknown, ...path: readonly (string | number)[]): unknown {
  let current = value
  for (const step of path) {
    if (typeof current !== 'object' || current === null) return undefined
    current = Reflect.get(current, step)
  }
  return current
}

/** Parses JSON and reads a value by path. */
export function jsonAt(text: string, ...path: readonly (string | number)[]): unknown {
  const value: unknown = JSON.parse(text)
  return at(value, ...path)
}
