import type { Diagnostic, Problem } from './diagnostics.ts'
import { formatPath } from './diagnostics.ts'
import { DEFAULT_DOCUMENT_LIMITS } from './document.ts'
import { excerptOf } from './excerpt.ts'
import * as field from './fields.ts'
import { type FieldCatalogue, problemsOf } from './issues.ts'
import type { PriceList, WrittenRates, WrittenTier } from './node-settings.ts'
import { type PositionedYaml, readPositionedYaml, type Span } from './yaml/positioned-yaml.ts'

/** More than any provider asks by an order of magnitude: beyond it somebody wrote the price of another unit. */
const MAX_DOLLARS = 10_000

const price = () => field.optional(field.number({ between: [0, MAX_DOLLARS] }))

const RATES = {
  input: price(),
  cache_read: price(),
  cache_write: price(),
  cache_write_long: price(),
  audio_input: price(),
  output: price(),
  reasoning: price(),
  audio_output: price(),
  request: price(),
  web_search: price(),
}

const anyRate = field.atLeastOneOf('input', 'output', 'request')

const schema = field.record({
  prices: field.defaulted(
    field.array(
      field
        .record({
          model: field.stringOrStrings(),
          provider: field.optional(field.string()),
          ...RATES,
          above: field.defaulted(
            field.array(
              field
                .record({ prompt_tokens: field.integer({ between: [1, 1e9] }), ...RATES })
                .check(anyRate),
            ),
            [],
          ),
          service_tiers: field.defaulted(
            field.map(field.record(RATES).check(anyRate)),
            Object.create(null),
          ),
        })
        .check(anyRate),
    ),
    [],
  ),
  hosts: field.defaulted(field.map(field.string()), Object.create(null)),
  unknown_hosts: field.enumeration(['by_model', 'unpriced'], 'by_model'),
})

/** For did-you-mean; the schema's optional lists hide theirs. */
const FIELD_NAMES: FieldCatalogue = {
  names(path) {
    if (path.length === 0) return Object.keys(schema.shape)
    if (path.length === 2)
      return ['model', 'provider', ...Object.keys(RATES), 'above', 'service_tiers']
    return ['prompt_tokens', ...Object.keys(RATES)]
  },
}

/** A text of prices, judged. Every problem is found in one go; nothing is thrown for bad input. */
export function parsePriceList(
  text: string,
  file: string,
):
  | { readonly ok: true; readonly list: PriceList }
  | { readonly ok: false; readonly problems: readonly Diagnostic[] } {
  const yaml = readPositionedYaml(text.replace(/^\ufeff/, ''), DEFAULT_DOCUMENT_LIMITS)
  const at = (span: Span, problem: Problem): Diagnostic =>
    diagnosticAt(text, file, yaml, span, problem)
  if (yaml.problems.length > 0) {
    return {
      ok: false,
      problems: yaml.problems.map(({ code, message, hint, span }) =>
        at(span, { severity: 'error', code, path: [], message, hint }),
      ),
    }
  }
  const result = schema.safeParse(yaml.root)
  if (!result.success) {
    return {
      ok: false,
      problems: problemsOf(result.error.issues, yaml.root, FIELD_NAMES).map((problem) =>
        at(yaml.locate(problem.path, problem.atKey ?? false), { severity: 'error', ...problem }),
      ),
    }
  }
  const { prices, hosts, unknown_hosts } = result.data
  return {
    ok: true,
    list: {
      guessByModel: unknown_hosts === 'by_model',
      hosts: Object.entries(hosts).map(([host, provider]) => ({ host, provider })),
      models: prices.map(({ model, provider, above, service_tiers, ...rates }) => ({
        models: model,
        provider,
        rates: tiersOf(rates, above),
        serviceTiers: Object.entries(service_tiers).map(([name, tier]) => ({
          name,
          rates: tiersOf(tier, []),
        })),
      })),
    },
  }
}

function tiersOf(
  rates: WrittenRates,
  above: readonly ({ readonly prompt_tokens: number } & WrittenRates)[],
): readonly WrittenTier[] {
  const higher = above.map(({ prompt_tokens, ...tier }) => ({
    abovePromptTokens: prompt_tokens,
    rates: tier,
  }))
  return [
    { abovePromptTokens: -1, rates },
    ...higher.toSorted((a, b) => a.abovePromptTokens - b.abovePromptTokens),
  ]
}

function diagnosticAt(
  text: string,
  file: string,
  yaml: PositionedYaml,
  span: Span,
  { severity, code, path, message, hint }: Problem,
): Diagnostic {
  const { line, column } = yaml.position(span.start)
  return {
    severity,
    code,
    file,
    line,
    column,
    path: formatPath(path),
    segments: path,
    message,
    ...(hint === undefined ? {} : { hint }),
    excerpt: excerptOf(text, span, column, path),
  }
}
