import { definePlugin, refuse, type Exchange, type Plugin, type Reply } from '@pratu/plugin-kit'
import { requestSizeLimitingSchema, type RequestSizeLimitingConfig } from './config.ts'

/** A body of unknown length is measured before it goes on, up to here; beyond it the limit is kept while it passes. */
const MEASURED_BYTES = 1024 * 1024

/** Refuses requests whose body is too large (kong.md §3.12). */
export const requestSizeLimiting = definePlugin<RequestSizeLimitingConfig>({
  name: 'request-size-limiting',
  priority: 951,
  schema: requestSizeLimitingSchema,

  create({ maxBytes, requireContentLength }): Plugin {
    return {
      access(exchange) {
        const { headers, body } = exchange.request
        if (headers.has('content-length')) {
          return (body.declaredBytes ?? 0) > maxBytes ? tooLarge(exchange) : undefined
        }
        if (!headers.has('transfer-encoding')) {
          return requireContentLength
            ? refuse(411, 'length_required', 'A valid Content-Length header is required')
            : undefined
        }
        if (maxBytes > MEASURED_BYTES) {
          body.limit(maxBytes)
          return undefined
        }
        const measured = body.buffer(Math.max(0, maxBytes))
        return measured instanceof Promise
          ? measured.then((state) => judge(exchange, state, maxBytes))
          : judge(exchange, measured, maxBytes)
      },
    }
  },
})

/** A body that had arrived before anybody asked is complete, whatever its size. */
function judge(
  exchange: Exchange,
  state: 'complete' | 'partial',
  maxBytes: number,
): Reply | undefined {
  const tooMany = state === 'partial' || exchange.request.body.receivedBytes > maxBytes
  return tooMany ? tooLarge(exchange) : undefined
}

/** A client that waits for `100 Continue` is told that its expectation failed: it has not sent the body yet. */
function tooLarge({ request }: Exchange): Reply {
  const expect = request.headers.get('expect')?.trim().toLowerCase()
  return expect === '100-continue'
    ? refuse(417, 'expectation_failed', 'Request size limit exceeded')
    : refuse(413, 'body_too_large', 'Request size limit exceeded')
}
