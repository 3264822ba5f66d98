import type { GatewayError } from './gateway-error.ts'
import { renderError, type RenderedError, type RenderRequest } from './render.ts'

/** Renders an error that no exchange stands behind: its shape is Kong's, since nothing is known of a service. */
export function renderBareError(
  { status, code, message }: GatewayError,
  requestId: string,
  { accept, asNginx }: Partial<Pick<RenderRequest, 'accept' | 'asNginx'>> = {},
): RenderedError {
  return renderError({ shape: 'kong', status, code, message, requestId, accept, asNginx })
}
