/** The entry for Node: connections pooled by undici, and the environment for what is not given. */
import { GatewayClient } from './client.ts'
import type { PratuClientOptions } from './options.ts'
import { pooledTransport } from './transport/pooled-transport.ts'

export * from './exports.ts'

export class PratuClient extends GatewayClient {
  /**
   * Without options: `PRATU_GATEWAY_URL`, else `http://127.0.0.1:8000`, and `PRATU_API_KEY`, else no key.
   *
   * @throws {TypeError} naming the option that makes no sense.
   */
  constructor(options: PratuClientOptions = {}) {
    super(withEnvironment(options), ({ pool, connectTimeoutMs }) =>
      pooledTransport({ ...pool, connectTimeoutMs }),
    )
  }
}

function withEnvironment(options: PratuClientOptions): PratuClientOptions {
  const apiKey = options.apiKey ?? (process.env['PRATU_API_KEY'] || undefined)
  return {
    ...options,
    gatewayUrl: options.gatewayUrl ?? (process.env['PRATU_GATEWAY_URL'] || 'http://127.0.0.1:8000'),
    ...(apiKey === undefined ? {} : { apiKey }),
  }
}
