import { Command, Option } from 'commander'
import {
  NO_OVERLAY,
  overlayOf,
  PRICE_TABLE_DATE,
  PRICE_TABLE_SOURCE,
  priceAt,
  PriceCatalogue,
  providerId,
  type ModelPrice,
  type Price,
  type Rates,
} from '../ai/index.ts'
import { NodeSettingsError, readHostFacts, readNodeSettings } from '../config/index.ts'
import { createTerminal, type Terminal } from './terminal.ts'

interface PricesOptions {
  readonly provider?: string
  readonly format: 'text' | 'json'
}

const HELP = `
Dollars per million tokens. A name finds every model that it is part of, and the one that it stands for:

  pratu prices gpt-4.1
  pratu prices sonnet --provider anthropic
  pratu prices --format json | jq '.prices[] | select(.output > 50)'

PRATU_PRICES_FILE names a file of prices that come before the shipped ones (docs/prices.md).
Exits with 1 when nothing is found.`

/** `pratu prices [search]`: what calls are charged with, and how old that knowledge is. */
export function pricesCommand(): Command {
  return new Command('prices')
    .description('list what models cost, and the date of these prices')
    .argument('[search]', 'part of the name of a model')
    .option('--provider <id>', 'only of this provider: openai, anthropic, google, …')
    .addOption(
      new Option('--format <format>', 'how to print').choices(['text', 'json']).default('text'),
    )
    .addHelpText('after', HELP)
    .action((search: string | undefined, options: PricesOptions) => {
      process.exitCode = prices(search, options)
    })
}

function prices(search: string | undefined, { provider, format }: PricesOptions): number {
  let file: string | undefined
  let catalogue: PriceCatalogue
  try {
    const { settings } = readNodeSettings({}, process.env, readHostFacts())
    const list = settings.prices
    catalogue = new PriceCatalogue(list === undefined ? NO_OVERLAY : overlayOf(list))
    file = list === undefined ? undefined : process.env['PRATU_PRICES_FILE']
  } catch (error) {
    if (!(error instanceof NodeSettingsError)) throw error
    process.stderr.write(`${error.message}\n`)
    return 1
  }
  const found = findPrices(catalogue, search, provider)
  if (format === 'json') printJson(found, file)
  else printText(found, file)
  return found.length === 0 ? 1 : 0
}

function findPrices(
  catalogue: PriceCatalogue,
  search: string | undefined,
  provider: string | undefined,
): readonly ModelPrice[] {
  const seller = provider === undefined ? undefined : providerId(provider)
  const name = search?.toLowerCase()
  return catalogue
    .all()
    .filter((price) => seller === undefined || price.provider === seller || price.provider === '*')
    .filter(
      (price) =>
        name === undefined ||
        price.model.toLowerCase().includes(name) ||
        catalogue.find(price.provider, name) === price,
    )
}

function printJson(found: readonly ModelPrice[], file: string | undefined): void {
  const now = Date.now()
  const body = {
    source: PRICE_TABLE_SOURCE,
    date: PRICE_TABLE_DATE,
    ...(file === undefined ? {} : { file }),
    unit: 'dollars per million tokens; request and web_search: dollars each',
    prices: found.map((model) => {
      const current = priceAt(model, now)
      return {
        provider: model.provider,
        model: model.model,
        from_file: model.source === 'file',
        ...(current === undefined ? {} : writtenPrice(current.price)),
        ...(current === undefined || current.serviceTiers.size === 0
          ? {}
          : {
              service_tiers: Object.fromEntries(
                [...current.serviceTiers].map(([tier, price]) => [tier, writtenPrice(price)]),
              ),
            }),
        changes: model.prices.length > 1,
      }
    }),
  }
  process.stdout.write(`${JSON.stringify(body, undefined, 2)}\n`)
}

function writtenPrice([first, ...higher]: Price): object {
  return {
    ...(first === undefined ? {} : writtenRates(first.rates)),
    ...(higher.length === 0
      ? {}
      : {
          above: higher.map(({ abovePromptTokens, rates }) => ({
            prompt_tokens: abovePromptTokens,
            ...writtenRates(rates),
          })),
        }),
  }
}

function writtenRates(rates: Rates): object {
  return {
    input: perMillion(rates.input),
    cache_read: perMillion(rates.cacheRead),
    cache_write: perMillion(rates.cacheWrite),
    cache_write_long: perMillion(rates.cacheWriteLong),
    audio_input: perMillion(rates.audioInput),
    output: perMillion(rates.output),
    reasoning: perMillion(rates.reasoning),
    audio_output: perMillion(rates.audioOutput),
    request: rates.request === undefined ? undefined : rates.request / 1e12,
    web_search: rates.webSearch === undefined ? undefined : rates.webSearch / 1e12,
  }
}

/** Pico-dollars per token as dollars per million tokens. */
function perMillion(pico: number | undefined): number | undefined {
  return pico === undefined ? undefined : pico / 1e6
}

interface Row {
  readonly provider: string
  readonly model: string
  readonly input: string
  readonly cached: string
  readonly output: string
  readonly remark: string
}

const HEAD: Row = {
  provider: 'PROVIDER',
  model: 'MODEL',
  input: 'INPUT',
  cached: 'CACHED',
  output: 'OUTPUT',
  remark: '',
}

function printText(found: readonly ModelPrice[], file: string | undefined): void {
  const terminal = createTerminal(process.stdout, process.env)
  if (found.length === 0) {
    terminal.line('no model of that name has a price; pratu prices lists all of them')
    terminal.line(terminal.dim(originText(file)))
    return
  }
  const now = Date.now()
  const rows = found.flatMap((model) => rowsOf(model, now))
  const width = (column: keyof Row): number =>
    Math.max(...[HEAD, ...rows].map((row) => row[column].length))
  const widths = {
    provider: width('provider'),
    model: width('model'),
    input: width('input'),
    cached: width('cached'),
    output: width('output'),
  }
  const line = (row: Row): string =>
    [
      row.provider.padEnd(widths.provider),
      row.model.padEnd(widths.model),
      row.input.padStart(widths.input),
      row.cached.padStart(widths.cached),
      row.output.padStart(widths.output),
    ].join('  ')
  terminal.line(terminal.bold(line(HEAD)))
  for (const row of rows) terminal.line(coloured(terminal, line(row), row.remark))
  terminal.line()
  terminal.line(terminal.dim(`${found.length} prices in dollars per million tokens.`))
  terminal.line(terminal.dim(originText(file)))
}

function coloured(terminal: Terminal, line: string, remark: string): string {
  if (remark === '') return line
  return `${line}  ${terminal.dim(remark)}`
}

function originText(file: string | undefined): string {
  const shipped = `${PRICE_TABLE_SOURCE} of ${PRICE_TABLE_DATE}`
  return file === undefined ? `From ${shipped}.` : `From ${file}, then ${shipped}.`
}

function rowsOf(model: ModelPrice, now: number): readonly Row[] {
  const current = priceAt(model, now)
  return (current?.price ?? []).map(({ abovePromptTokens, rates }, tier) => ({
    provider: tier === 0 ? model.provider : '',
    model: tier === 0 ? model.model : `  above ${abovePromptTokens.toLocaleString('en')} tokens`,
    input: dollars(rates.input),
    cached: dollars(rates.cacheRead),
    output: dollars(rates.output),
    remark: tier === 0 ? remarkOn(model, rates) : '',
  }))
}

function remarkOn({ source, prices: all }: ModelPrice, { request }: Rates): string {
  const remarks = [
    ...(source === 'file' ? ['from the file'] : []),
    ...(request === undefined ? [] : [`+ ${request / 1e12} a request`]),
    ...(all.some(({ daily }) => daily !== undefined) ? ['changes with the hour'] : []),
    ...(all.some(({ from }) => from !== undefined) ? ['changes with the date'] : []),
  ]
  return remarks.join(', ')
}

function dollars(pico: number | undefined): string {
  const amount = perMillion(pico)
  return amount === undefined ? '-' : String(amount)
}
