import type { RecordedRequest } from '../recording/recorded-request.ts'

/** A recorded request as JSON: bytes as base64, times in monotonic milliseconds. */
export function describeRequest(request: RecordedRequest): object {
  return {
    index: request.index,
    connection: request.connection,
    connectionRequests: request.connectionRequests,
    remotePort: request.remotePort,
    method: request.method,
    target: request.target,
    path: request.path,
    query: request.query,
    version: request.version,
    headers: request.headers,
    body: request.body,
    rawHead: request.rawHead.toString('base64'),
    rawBody: request.rawBody.toString('base64'),
    complete: request.complete,
    malformed: request.malformed ?? null,
    fault: request.fault ?? null,
    status: request.status ?? null,
    events: request.events,
    closing: request.closing ?? null,
  }
}
