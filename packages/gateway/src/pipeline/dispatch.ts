import type { Handler } from '@pratu/plugin-kit'
import { GatewayError } from '../errors/index.ts'
import { LiveExchange } from './exchange.ts'

/**
 * The innermost handler of every plan: hands the exchange to its service.
 *
 * @throws {GatewayError} `no_service` when the route has none (kong.md §2.5).
 */
export const dispatch: Handler = (exchange, out) => {
  if (!(exchange instanceof LiveExchange)) throw new Error('only the pipeline makes exchanges')
  const service = exchange.bound?.service
  if (service === undefined) throw new GatewayError('no_service')
  service.handler(exchange, service, out)
}
