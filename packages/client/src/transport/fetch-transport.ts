import {
  messageOf,
  TransportError,
  type Transport,
  type TransportRequest,
  type TransportResponse,
} from './transport.ts'

/** The part of `fetch` that is used, so that another one can be handed in. */
export type Fetch = (url: URL, init: RequestInit) => Promise<Response>

/**
 * The platform's own `fetch`: for browsers and edge runtimes. Connections are the platform's: it decides how many there
 * are, how long they are kept, and how long one may take to be made.
 */
export function fetchTransport(fetch: Fetch = globalThis.fetch): Transport {
  return {
    send: (request) => send(fetch, request),
    close: () => Promise.resolve(),
  }
}

async function send(
  fetch: Fetch,
  { method, url, headers, body, signal }: TransportRequest,
): Promise<TransportResponse> {
  let response: Response
  try {
    response = await fetch(url, {
      method,
      headers: { ...headers },
      signal,
      // A key must not follow a redirect to wherever it points.
      redirect: 'manual',
      ...(body === undefined ? {} : { body }),
    })
  } catch (error) {
    throw new TransportError('connection', messageOf(error), error)
  }
  return {
    status: response.status,
    header: (name) => response.headers.get(name) ?? undefined,
    body: pieces(response.body),
  }
}

/** Not `for await` over the stream itself: Safari's streams are not iterable. */
async function* pieces(body: Response['body']): AsyncGenerator<Uint8Array, void> {
  if (body === null) return
  const reader = body.getReader()
  let complete = false
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) {
        complete = true
        return
      }
      yield value
    }
  } catch (error) {
    complete = true
    throw new TransportError('connection', messageOf(error), error)
  } finally {
    if (!complete) await reader.cancel()
  }
}
