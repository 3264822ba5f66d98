import { isAt, type HostRule } from './hosts.ts'
import { matchesAny, spellings, type NameRule } from './model-names.ts'
import type { ModelPrice } from './price.ts'
import { priceTable } from './table.ts'

/** Prices and hosts from a file, which come before the shipped ones; see `prices-file.ts`. */
export interface PriceOverlay {
  readonly models: readonly OverlayModel[]
  readonly hosts: readonly { readonly provider: string; readonly rule: HostRule }[]
  /** Whether a model at an unknown host costs what its maker asks for it. */
  readonly guessByModel: boolean
}

export interface OverlayModel {
  /** `undefined` = whoever serves it. */
  readonly provider: string | undefined
  readonly rules: readonly NameRule[]
  readonly price: ModelPrice
}

export const NO_OVERLAY: PriceOverlay = { models: [], hosts: [], guessByModel: true }

/** Longer names are no model's: a client could fill the memory with them. */
const MAX_NAME = 200

/** Names that are remembered before all are forgotten; clients choose them. */
const MAX_REMEMBERED = 2000

/** Which price is for whom: by provider and name of the model. Looks a name up once. */
export class PriceCatalogue {
  readonly #overlay: PriceOverlay
  readonly #remembered = new Map<string, ModelPrice | undefined>()

  constructor(overlay: PriceOverlay = NO_OVERLAY) {
    this.#overlay = overlay
  }

  /**
   * @param path the path of the service, which tells providers behind one host apart.
   * @returns the provider's id; `undefined` for a host that nobody is known at.
   */
  providerAt(host: string, path: string): string | undefined {
    const name = host.toLowerCase()
    const own = this.#overlay.hosts.find(({ rule }) => isAt(rule, name, path))
    if (own !== undefined) return own.provider
    for (const provider of priceTable().values()) {
      if (provider.hosts.some((rule) => isAt(rule, name, path))) return provider.id
    }
    return undefined
  }

  /**
   * @param provider an id; `undefined` when nobody knows who serves the model.
   * @param model as it went upstream, in any case, dated or not.
   */
  find(provider: string | undefined, model: string): ModelPrice | undefined {
    if (model.length > MAX_NAME) return undefined
    const key = `${provider ?? ''}\n${model}`
    const known = this.#remembered.get(key)
    if (known !== undefined || this.#remembered.has(key)) return known
    if (this.#remembered.size >= MAX_REMEMBERED) this.#remembered.clear()
    const found = this.#search(provider, model)
    this.#remembered.set(key, found)
    return found
  }

  #search(provider: string | undefined, model: string): ModelPrice | undefined {
    const names = spellings(model)
    const own = firstOf(names, (name) => this.#inOverlay(provider, name))
    if (own !== undefined) return own
    if (provider !== undefined) return firstOf(names, (name) => inTable(provider, name))
    if (!this.#overlay.guessByModel) return undefined
    return firstOf(names, fromItsMaker)
  }

  #inOverlay(provider: string | undefined, name: string): ModelPrice | undefined {
    return this.#overlay.models.find(
      (model) =>
        (model.provider === undefined || model.provider === provider) &&
        matchesAny(model.rules, name),
    )?.price
  }

  /** Every price, those of the file first; what it replaces is still among the shipped ones. */
  all(): readonly ModelPrice[] {
    const shipped = [...priceTable().values()].flatMap((provider) =>
      provider.listed().map(({ price }) => price),
    )
    return [...this.#overlay.models.map(({ price }) => price), ...shipped]
  }
}

function inTable(providerId: string, name: string): ModelPrice | undefined {
  const provider = priceTable().get(providerId)
  if (provider === undefined) return undefined
  const own = provider.listed().find(({ rules }) => matchesAny(rules, name))
  return own?.price ?? firstOf(provider.also, (other) => inTable(other, name))
}

/** A model whose server nobody knows, at the price of who makes it. */
function fromItsMaker(name: string): ModelPrice | undefined {
  for (const provider of priceTable().values()) {
    if (matchesAny(provider.models, name)) return inTable(provider.id, name)
  }
  return undefined
}

function firstOf<T, U>(items: readonly T[], find: (item: T) => U | undefined): U | undefined {
  for (const item of items) {
    const found = find(item)
    if (found !== undefined) return found
  }
  return undefined
}
