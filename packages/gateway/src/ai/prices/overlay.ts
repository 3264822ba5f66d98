import type { PriceList, WrittenModelPrice, WrittenTier } from '../../config/index.ts'
import type { PriceOverlay } from './catalogue.ts'
import { parseHost } from './hosts.ts'
import { ratesOf, type ModelPrice, type Price, type TimedPrice } from './price.ts'
import { providerId } from './provider-ids.ts'

/** Prices from a file as the catalogue needs them. */
export function overlayOf(list: PriceList): PriceOverlay {
  return {
    guessByModel: list.guessByModel,
    hosts: list.hosts.map(({ host, provider }) => ({
      provider: providerId(provider),
      rule: parseHost(host),
    })),
    models: list.models.flatMap((entry) =>
      entry.models.map((model) => ({
        provider: entry.provider === undefined ? undefined : providerId(entry.provider),
        rules: [ruleOf(model.toLowerCase())],
        price: modelPrice(entry, model),
      })),
    ),
  }
}

/** A name, or the start of names with `*` after it. */
function ruleOf(model: string): string {
  return model.endsWith('*') ? `^${model.slice(0, -1)}` : `=${model}`
}

function modelPrice(entry: WrittenModelPrice, model: string): ModelPrice {
  return {
    provider: entry.provider === undefined ? '*' : providerId(entry.provider),
    model,
    source: 'file',
    prices: [timedPrice(entry)],
  }
}

function timedPrice(entry: WrittenModelPrice): TimedPrice {
  return {
    from: undefined,
    daily: undefined,
    price: tiersOf(entry.rates),
    serviceTiers: new Map(
      entry.serviceTiers.map(({ name, rates }) => [name.toLowerCase(), tiersOf(rates)]),
    ),
  }
}

function tiersOf(tiers: readonly WrittenTier[]): Price {
  return tiers.map(({ abovePromptTokens, rates }) => ({
    abovePromptTokens,
    rates: ratesOf(rates),
  }))
}
