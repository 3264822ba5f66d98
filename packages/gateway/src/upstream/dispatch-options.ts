import type { Dispatcher } from 'undici'
import type { UpstreamRequest } from './contract.ts'
import { SLICE_BYTES, sliceBody, type StreamedBody } from './request-body.ts'
import { toRequestFields } from './request-fields.ts'
import type { Route } from './route.ts'

/**
 * One try of a request, as undici takes it; made anew for every try, since hosts differ and bodies are used up.
 *
 * @param host what is sent as `Host`.
 * @param keepAlive `false`: the connection will not be used again, and the upstream is told so.
 */
export function toDispatchOptions(
  request: UpstreamRequest,
  streamed: StreamedBody | undefined,
  route: Route,
  host: string,
  keepAlive: boolean,
): Dispatcher.DispatchOptions {
  const { method, path, body, headers, stream } = request
  const { pathPrefix, proxy } = route
  const sliced = isSliced(body)
  const declaredBytes = streamed === undefined ? undefined : stream?.declaredBytes
  const options: Dispatcher.DispatchOptions = {
    method,
    path: pathPrefix === '' ? path : pathPrefix + path,
    headers: toRequestFields(
      headers,
      host,
      sliced ? body?.byteLength : declaredBytes,
      pathPrefix === '' ? undefined : proxy?.authorization?.reveal(),
    ),
    body: body === undefined ? (streamed?.readable() ?? null) : sliced ? sliceBody(body) : body,
  }
  if (!keepAlive) options.reset = true
  return options
}

/** Whether a buffered body is written in several pieces. */
export function isSliced(body: Uint8Array | undefined): boolean {
  return body !== undefined && body.byteLength > SLICE_BYTES
}
