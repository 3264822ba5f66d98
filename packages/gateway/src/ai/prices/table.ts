import type { WrittenRates } from '../../config/index.ts'
import { parseHost, type HostRule } from './hosts.ts'
import type { NameRule } from './model-names.ts'
import { ratesOf, type ModelPrice, type Price, type TimedPrice } from './price.ts'
import { PRICE_TABLE } from './price-table.ts'

/** A provider of the shipped table; its models are read when they are first asked for. */
export interface TableProvider {
  readonly id: string
  readonly name: string
  readonly hosts: readonly HostRule[]
  /** Names of models that are its own wherever they are served. */
  readonly models: readonly NameRule[]
  /** Providers whose models it sells at their price. */
  readonly also: readonly string[]
  listed(): readonly ListedModel[]
}

export interface ListedModel {
  readonly rules: readonly NameRule[]
  readonly price: ModelPrice
}

interface WrittenVariant {
  readonly from?: string
  readonly daily?: readonly [start: number, end: number]
  readonly rates: WrittenRates
  readonly above?: readonly (readonly [promptTokens: number, rates: WrittenRates])[]
}

/** The table's lines are made by `scripts/price-data.ts` and held by a test: they need no checks here. */
interface ProviderLine {
  readonly provider: string
  readonly name: string
  readonly hosts: readonly string[]
  readonly models: readonly NameRule[]
  readonly also: readonly string[]
}

type ModelLine = readonly [
  name: string,
  rules: readonly NameRule[],
  prices: readonly WrittenVariant[],
]

let providers: ReadonlyMap<string, TableProvider> | undefined

/** The shipped table by provider; read once, provider by provider. */
export function priceTable(): ReadonlyMap<string, TableProvider> {
  providers ??= readTable()
  return providers
}

function readTable(): ReadonlyMap<string, TableProvider> {
  const found = new Map<string, TableProvider>()
  const lines = PRICE_TABLE.trim().split('\n')
  for (let i = 0; i < lines.length;) {
    const head: ProviderLine = JSON.parse(lines[i] ?? '')
    const start = ++i
    while (i < lines.length && lines[i]?.startsWith('[') === true) i++
    found.set(head.provider, provider(head, lines.slice(start, i)))
  }
  return found
}

function provider(head: ProviderLine, lines: readonly string[]): TableProvider {
  let listed: readonly ListedModel[] | undefined
  return {
    id: head.provider,
    name: head.name,
    hosts: head.hosts.map(parseHost),
    models: head.models,
    also: head.also,
    listed() {
      listed ??= lines.map((line) => listedModel(head.provider, line))
      return listed
    },
  }
}

function listedModel(providerId: string, line: string): ListedModel {
  const [model, rules, prices]: ModelLine = JSON.parse(line)
  return {
    rules,
    price: { provider: providerId, model, source: 'table', prices: prices.map(timedPrice) },
  }
}

const NONE: ReadonlyMap<string, Price> = new Map()

function timedPrice({ from, daily, rates, above = [] }: WrittenVariant): TimedPrice {
  return {
    from: from === undefined ? undefined : Date.parse(from),
    daily: daily === undefined ? undefined : { start: daily[0], end: daily[1] },
    price: [
      { abovePromptTokens: -1, rates: ratesOf(rates) },
      ...above.map(([promptTokens, higher]) => ({
        abovePromptTokens: promptTokens,
        rates: ratesOf(higher),
      })),
    ],
    serviceTiers: NONE,
  }
}
