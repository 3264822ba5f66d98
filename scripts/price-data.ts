/**
 * Writes the price table that ships with the gateway from the data of `@pydantic/genai-prices`: facts only (who sells
 * which model under which names for how much, and when). A test holds the table to it.
 *
 * Usage: node scripts/price-data.ts --write
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import {
  waitForUpdate,
  type ConditionalPrice,
  type MatchLogic,
  type ModelInfo,
  type ModelPrice,
  type Provider,
} from '@pydantic/genai-prices'

export const PRICE_TABLE_FILE = fileURLToPath(
  new URL('../packages/gateway/src/ai/prices/price-table.ts', import.meta.url),
)

const PACKAGE = '@pydantic/genai-prices'

/** The day on which the kept version was published; the package itself does not tell. */
const PUBLISHED: Readonly<Record<string, string>> = { '0.1.8': '2026-09-23' }

/**
 * Where each provider answers. The package has patterns over whole URLs; hosts can be looked up without one. `*` stands
 * for any part of a host name; what follows a slash is the start of the path.
 */
export const HOSTS: Readonly<Record<string, readonly string[]>> = {
  anthropic: ['api.anthropic.com'],
  arcee: ['api.arcee.ai'],
  avian: ['api.avian.io'],
  aws: ['bedrock-runtime.*.amazonaws.com'],
  azure: [
    '*.openai.azure.com',
    '*.azure-api.net',
    '*.cognitiveservices.azure.com',
    '*.services.ai.azure.com',
  ],
  baseten: ['inference.baseten.co'],
  cerebras: ['api.cerebras.ai'],
  cloudflare: ['api.cloudflare.com'],
  cohere: ['api.cohere.ai', 'api.cohere.com'],
  cursor: ['api.cursor.com'],
  deepseek: ['api.deepseek.com'],
  doubleword: ['api.doubleword.ai'],
  fireworks: ['api.fireworks.ai'],
  'github-copilot': ['api.githubcopilot.com'],
  google: [
    'generativelanguage.googleapis.com',
    'aiplatform.googleapis.com',
    '*-aiplatform.googleapis.com',
  ],
  groq: ['api.groq.com'],
  huggingface_cerebras: ['router.huggingface.co/cerebras'],
  'huggingface_fireworks-ai': ['router.huggingface.co/fireworks-ai'],
  huggingface_groq: ['router.huggingface.co/groq'],
  huggingface_hyperbolic: ['router.huggingface.co/hyperbolic'],
  huggingface_nebius: ['router.huggingface.co/nebius'],
  huggingface_novita: ['router.huggingface.co/novita'],
  huggingface_nscale: ['router.huggingface.co/nscale'],
  huggingface_ovhcloud: ['router.huggingface.co/ovhcloud'],
  huggingface_publicai: ['router.huggingface.co/publicai'],
  huggingface_sambanova: ['router.huggingface.co/sambanova'],
  huggingface_together: ['router.huggingface.co/together'],
  minimax: ['api.minimax.io', 'api.minimaxi.com'],
  mistral: ['api.mistral.ai'],
  modal: ['*.modal.run', '*.modal.direct'],
  moonshotai: ['api.moonshot.ai', 'api.moonshot.cn'],
  novita: ['api.novita.ai'],
  openai: ['api.openai.com'],
  openrouter: ['openrouter.ai', 'api.openrouter.ai'],
  ovhcloud: ['oai.endpoints.kepler.ai.cloud.ovh.net'],
  perplexity: ['api.perplexity.ai'],
  quicksilverpro: ['api.quicksilverpro.io'],
  together: ['api.together.xyz'],
  typesafe: ['api.typesafe.ai'],
  voyageai: ['api.voyageai.com'],
  'x-ai': ['api.x.ai'],
  zai: ['api.z.ai'],
  zhipuai: ['open.bigmodel.cn'],
}

/** The package's names of what can be priced per token, request or search, and ours. */
const RATES: readonly (readonly [theirs: string, ours: string, per: number])[] = [
  ['input_mtok', 'input', 1],
  ['cache_read_mtok', 'cache_read', 1],
  ['cache_write_mtok', 'cache_write', 1],
  ['cache_write_1h_mtok', 'cache_write_long', 1],
  ['input_audio_mtok', 'audio_input', 1],
  ['output_mtok', 'output', 1],
  ['output_reasoning_mtok', 'reasoning', 1],
  ['output_audio_mtok', 'audio_output', 1],
  ['requests_kcount', 'request', 1000],
  ['web_searches_kcount', 'web_search', 1000],
]

/** Some of the package's patterns want a path as well. */
const PROBED_PATHS = ['/', '/client/v4/accounts/x/ai/']

type Rule = string | readonly Rule[]

/** `=` is, `^` starts with, `$` ends with, `~` contains, `/` is matched by; a list in a list: all of it. */
function rulesOf(match: MatchLogic): readonly Rule[] {
  if ('or' in match) return match.or.flatMap(rulesOf)
  if ('and' in match) return [match.and.flatMap(rulesOf)]
  if ('equals' in match) return [`=${match.equals.toLowerCase()}`]
  if ('starts_with' in match) return [`^${match.starts_with.toLowerCase()}`]
  if ('ends_with' in match) return [`$${match.ends_with.toLowerCase()}`]
  if ('contains' in match) return [`~${match.contains.toLowerCase()}`]
  return [`/${match.regex}`]
}

/** Dollars, without the digits that a binary fraction adds. */
function dollars(price: number, per: number): number {
  return Number((price / per).toPrecision(12))
}

function variantOf(model: ModelInfo, { constraint, prices }: ConditionalPrice): object {
  // The source leaves out what is free; its name says so where the provider does.
  const free = Object.keys(prices).length === 0 && model.id.endsWith(':free')
  const above = tierStarts(prices).map((start) => [start, ratesOf(prices, start)])
  return {
    ...whenOf(constraint),
    rates: free ? { input: 0, output: 0 } : ratesOf(prices, -1),
    ...(above.length === 0 ? {} : { above }),
  }
}

function whenOf(constraint: ConditionalPrice['constraint']): object {
  if (constraint === undefined) return {}
  if (constraint.type === 'start_date') return { from: constraint.start_date }
  return { daily: [minuteOf(constraint.start_time), minuteOf(constraint.end_time)] }
}

/** Sizes of the prompt above which something costs more, the smallest first. */
function tierStarts(prices: ModelPrice): readonly number[] {
  const starts = RATES.flatMap(([theirs]) => {
    const price = prices[theirs]
    return price === undefined || typeof price === 'number'
      ? []
      : price.tiers.map(({ start }) => start)
  })
  return [...new Set(starts)].toSorted((a, b) => a - b)
}

/** The rates of the tier that begins above `start`. */
function ratesOf(prices: ModelPrice, start: number): Record<string, number> {
  const rates: Record<string, number> = {}
  for (const [theirs, ours, per] of RATES) {
    const price = prices[theirs]
    if (price === undefined) continue
    if (typeof price === 'number') rates[ours] = dollars(price, per)
    else {
      const tier = price.tiers.toSorted((a, b) => a.start - b.start)
      const reached = tier.findLast((one) => one.start <= start)
      rates[ours] = dollars(reached?.price ?? price.base, per)
    }
  }
  return rates
}

/** Minute of the day in UTC. */
function minuteOf(time: string): number {
  const [, hours, minutes] = /^(\d\d):(\d\d):00Z$/.exec(time) ?? []
  if (hours === undefined || minutes === undefined) throw new Error(`a time unlike others: ${time}`)
  return Number(hours) * 60 + Number(minutes)
}

function modelLine(model: ModelInfo): string {
  const rules = rulesOf(model.match)
  const { prices } = model
  return JSON.stringify([
    model.id,
    rules,
    Array.isArray(prices)
      ? prices.map((one) => variantOf(model, one))
      : [variantOf(model, { prices })],
  ])
}

function providerLines(provider: Provider): readonly string[] {
  const hosts = HOSTS[provider.id]
  if (hosts === undefined)
    throw new Error(`add the hosts of ${provider.id} to scripts/price-data.ts`)
  for (const host of hosts) {
    const pattern = new RegExp(`^(?:${provider.api_pattern})`)
    if (!PROBED_PATHS.some((path) => pattern.test(`https://${host.replace('*', 'x')}${path}`))) {
      throw new Error(`${host} is none of ${provider.id}: ${provider.api_pattern}`)
    }
  }
  const head = {
    provider: provider.id,
    name: provider.name,
    hosts,
    models: provider.model_match === undefined ? [] : rulesOf(provider.model_match),
    also: provider.fallback_model_providers ?? [],
  }
  return [JSON.stringify(head), ...provider.models.map(modelLine)]
}

function packageVersion(): string {
  const main = createRequire(import.meta.url).resolve(PACKAGE)
  const manifest: unknown = JSON.parse(
    readFileSync(join(dirname(main), '..', 'package.json'), 'utf8'),
  )
  if (typeof manifest === 'object' && manifest !== null && 'version' in manifest) {
    return String(manifest.version)
  }
  throw new Error(`${PACKAGE} has no version`)
}

/** @returns the source text of the table. */
export async function priceTable(): Promise<string> {
  const version = packageVersion()
  const published = PUBLISHED[version]
  if (published === undefined) throw new Error(`when was ${PACKAGE} ${version} published?`)
  const lines = ((await waitForUpdate()) ?? []).flatMap(providerLines)
  if (lines.some((line) => /`|\$\{/.test(line))) throw new Error('a line would end the template')
  return `/* oxlint-disable max-lines -- generated by scripts/price-data.ts: run it with --write, never edit by hand */

/** Where the prices come from. */
export const PRICE_TABLE_SOURCE = '${PACKAGE} ${version} (MIT)'

/** The day on which that source was published. */
export const PRICE_TABLE_DATE = '${published}'

/**
 * One JSON value a line: a provider, then its models as [name, rules for its names, prices]. Dollars per million tokens,
 * per request, per search; \`above\`: [prompt tokens, rates above that many].
 */
export const PRICE_TABLE = String.raw\`
${lines.join('\n')}
\`
`
}

if (process.argv.includes('--write')) writeFileSync(PRICE_TABLE_FILE, await priceTable())

/** @returns the table as it is committed. */
export function currentPriceTable(): string {
  return readFileSync(PRICE_TABLE_FILE, 'utf8')
}
