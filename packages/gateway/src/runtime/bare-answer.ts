import type { RequestView } from '@pratu/plugin-kit'
import { renderBareError, type GatewayError } from '../errors/index.ts'
import { createRequestId, HeaderList } from '../http/index.ts'
import type { ClientChannel } from '../pipeline/index.ts'

/** Answers a request that never became an exchange with an error, in Kong's shape. */
export function answerBare(client: ClientChannel, request: RequestView, error: GatewayError): void {
  const requestId = createRequestId()
  const { contentType, body } = renderBareError(error, requestId, {
    accept: request.headers.get('accept'),
  })
  const bytes = Buffer.from(body)
  client.head({
    status: error.status,
    headers: new HeaderList([
      'Content-Type',
      contentType,
      'Content-Length',
      String(bytes.length),
      'Retry-After',
      '1',
      'X-Kong-Request-Id',
      requestId,
    ]),
  })
  client.write(bytes)
  client.end()
}
