import type { RequestView } from '@pratu/plugin-kit'
import { isEmptyConfiguration, type AdminState } from './admin-state.ts'
import { message, type AdminResponse } from './respond.ts'

/**
 * `GET /status/ready` (kong.md §4.5): an empty configuration is not ready, whatever `/readyz` says.
 */
export function readyResponse(state: AdminState): AdminResponse {
  if (state.draining() || state.withdrawn()) return message(503, 'draining')
  const current = state.current()
  if (current === undefined) {
    return message(503, 'no configuration available (configuration hash is not initialized)')
  }
  if (isEmptyConfiguration(current.entities)) {
    return message(503, 'no configuration available (empty configuration present)')
  }
  const workers = state.workers()
  const ready = workers.filter(({ generation }) => generation > 0).length
  if (ready < workers.length) {
    return message(
      503,
      `router builds not yet complete, router ready in ${ready} of ${workers.length} workers`,
    )
  }
  if (state.storeAway()) return message(503, 'the store of limits is away')
  return message(200, 'ready')
}

const MAX_BODY_BYTES = 16 * 1024
const UNKNOWN_STATUS = message(400, "status must be 'draining': send status=draining")

/**
 * `POST /status/ready` with `status=draining`, in the query, a form or JSON (kong.md §4.5): load balancers that ask are
 * sent elsewhere, and everything goes on. Only a restart takes it back, as in Kong.
 *
 * @throws {GatewayError} 413 for a body beyond 16 KiB.
 */
export async function withdrawResponse(
  request: RequestView,
  withdraw: () => void,
): Promise<AdminResponse> {
  const asked = new URLSearchParams(request.rawQuery).get('status') ?? (await statusIn(request))
  if (asked !== 'draining') return UNKNOWN_STATUS
  withdraw()
  return { status: 204 }
}

async function statusIn({ body, headers }: RequestView): Promise<string | undefined> {
  if (body.empty) return undefined
  const text = Buffer.from(await body.bytes(MAX_BODY_BYTES)).toString('utf8')
  if (headers.get('content-type')?.toLowerCase().startsWith('application/json') !== true)
    return new URLSearchParams(text).get('status') ?? undefined
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value !== 'object' || value === null || !('status' in value)) return undefined
    return typeof value.status === 'string' ? value.status : undefined
  } catch {
    // No JSON holds no status; the answer says what would.
    return undefined
  }
}
