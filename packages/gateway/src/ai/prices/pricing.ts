import type { Usage } from '../usage/index.ts'
import type { PriceCatalogue } from './catalogue.ts'
import { costOf } from './cost.ts'
import { priceAt } from './price.ts'
import { providerOfKind } from './provider-ids.ts'

/** What a call cost. */
export interface Cost {
  /** Whole nano-dollars; `undefined` = unpriced, which is not free. */
  readonly nanoDollars: number | undefined
  /** Whose price it is, by the ids of the price table; `undefined` when there is none. */
  readonly provider: string | undefined
  /** The price of the standard class stands in for one that is not known, or the usage is an estimate. */
  readonly estimated: boolean
}

const NOTHING: Cost = { nanoDollars: 0, provider: undefined, estimated: false }
const UNPRICED: Cost = { nanoDollars: undefined, provider: undefined, estimated: false }

/** A service as far as prices need it; the object itself is remembered. */
export interface PricedService {
  readonly host: string
  readonly path: string | undefined
  /** Name of a `providers` entry. */
  readonly provider: string | undefined
}

export interface PricingOptions {
  readonly catalogue: PriceCatalogue
  /** Kinds of the configured providers by name. */
  readonly kinds: ReadonlyMap<string, string>
  /** Epoch ms. */
  readonly now: () => number
}

/** Prices the calls of one configuration. */
export class Pricing {
  readonly #options: PricingOptions
  readonly #sellers = new WeakMap<PricedService, { readonly id: string | undefined }>()

  constructor(options: PricingOptions) {
    this.#options = options
  }

  /**
   * @param models names of the model, the one that counts first: as it went upstream, as the answer has it. The second is
   * asked for only where the first has no price.
   */
  cost(service: PricedService, models: Iterable<string | undefined>, usage: Usage): Cost {
    if (usage.source === 'none') return NOTHING
    const seller = this.#sellerOf(service)
    const { catalogue, now } = this.#options
    for (const model of models) {
      const found = model === undefined ? undefined : catalogue.find(seller, model)
      const timed = found === undefined ? undefined : priceAt(found, now())
      if (found === undefined || timed === undefined) continue
      const { serviceTier } = usage
      const tiered = serviceTier === undefined ? undefined : timed.serviceTiers.get(serviceTier)
      const nanoDollars = costOf(usage, tiered ?? timed.price)
      if (nanoDollars === undefined) continue
      const standsIn = serviceTier !== undefined && tiered === undefined
      return {
        nanoDollars,
        provider: found.provider,
        estimated: usage.source === 'estimated' || standsIn,
      }
    }
    return UNPRICED
  }

  #sellerOf(service: PricedService): string | undefined {
    const known = this.#sellers.get(service)
    if (known !== undefined) return known.id
    const id = this.#findSeller(service)
    this.#sellers.set(service, { id })
    return id
  }

  #findSeller({ host, path, provider }: PricedService): string | undefined {
    const { catalogue, kinds } = this.#options
    const kind = provider === undefined ? undefined : kinds.get(provider)
    const byKind = kind === undefined ? undefined : providerOfKind(kind)
    return byKind ?? catalogue.providerAt(host, path ?? '')
  }
}
