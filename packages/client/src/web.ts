/** The entry for browsers and edge runtimes: `fetch` and nothing of Node's. */
import { GatewayClient } from './client.ts'
import type { PratuClientOptions } from './options.ts'
import { fetchTransport } from './transport/fetch-transport.ts'

export * from './exports.ts'

export class PratuClient extends GatewayClient {
  /** @throws {TypeError} naming the option that is missing or makes no sense. */
  constructor(options: PratuClientOptions) {
    super(options, () => fetchTransport())
  }
}
