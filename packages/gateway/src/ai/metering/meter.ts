import type { ServiceHandler } from '../../pipeline/index.ts'
import { DIALECTS } from '../dialects/index.ts'
import { MeteredSink, type MeterOptions } from './metered-sink.ts'

/**
 * Meters the AI traffic of a plain service (architecture §3). Services without a recognised format are handed on
 * untouched.
 */
export function meter(next: ServiceHandler, options: MeterOptions): ServiceHandler {
  return (exchange, service, out) => {
    const format = service.service.aiFormat
    if (format === undefined) next(exchange, service, out)
    else
      next(
        exchange,
        service,
        new MeteredSink(exchange, service.service, DIALECTS[format], out, options),
      )
  }
}
