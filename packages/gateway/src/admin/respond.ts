import type { RequestView } from '@pratu/plugin-kit'
import { HeaderList } from '../http/index.ts'
import type { ClientChannel } from '../pipeline/index.ts'

/** What an endpoint answers. */
export interface AdminResponse {
  readonly status: number
  /** Beyond `Content-Type` and `Content-Length`. */
  readonly headers?: Readonly<Record<string, string>>
  readonly contentType?: string
  /** A whole body, or one that is made and sent piece by piece. */
  readonly body?: string | Iterator<string, void, undefined>
}

export const JSON_TYPE = 'application/json; charset=utf-8'

/** Kong's Admin API answers compact JSON (kong.md §4.1). */
export function json(
  status: number,
  value: unknown,
  headers?: Readonly<Record<string, string>>,
): AdminResponse {
  const body = JSON.stringify(value)
  return { status, contentType: JSON_TYPE, body, ...(headers === undefined ? {} : { headers }) }
}

/** Kong's form of an error without a code of its own. */
export function message(
  status: number,
  text: string,
  headers?: Readonly<Record<string, string>>,
): AdminResponse {
  return json(status, { message: text }, headers)
}

export const NOT_FOUND = message(404, 'Not found')

/** Kong answers a method that a path does not have like this (kong.md §4.1). */
export function methodNotAllowed(allowed: readonly string[]): AdminResponse {
  return message(405, 'Method not allowed', { Allow: allowed.join(', ') })
}

/** Sends a response; the body is left out for HEAD. */
export function send(request: RequestView, client: ClientChannel, response: AdminResponse): void {
  const headers = new HeaderList()
  for (const [name, value] of Object.entries(response.headers ?? {})) headers.append(name, value)
  if (response.contentType !== undefined) headers.append('Content-Type', response.contentType)
  headers.append('Cache-Control', 'no-store')
  headers.append('X-Content-Type-Options', 'nosniff')
  const { body } = response
  const head = request.method === 'HEAD'
  if (typeof body === 'object') {
    client.head({ status: response.status, headers })
    if (head) client.end()
    else sendPieces(client, body)
    return
  }
  const bytes = Buffer.from(body ?? '')
  if (response.status !== 304 && response.status !== 204) {
    headers.append('Content-Length', String(bytes.length))
  }
  client.head({ status: response.status, headers })
  if (!head && bytes.length > 0) client.write(bytes)
  client.end()
}

/** Gives way to requests between pieces, and waits for a scraper that reads slowly. */
function sendPieces(client: ClientChannel, pieces: Iterator<string, void, undefined>): void {
  const next = (): void => {
    if (client.departed !== undefined) return
    let piece: IteratorResult<string, void>
    try {
      piece = pieces.next()
    } catch (error) {
      // The head is out: only a broken message tells the reader that this one is not complete.
      client.fail(error instanceof Error ? error : new Error(String(error)))
      return
    }
    if (piece.done === true) {
      client.end()
    } else if (client.write(Buffer.from(piece.value))) {
      setImmediate(next)
    } else {
      client.onDrain(next)
    }
  }
  next()
}
