import { Secret } from '../entities.ts'
import * as field from '../fields.ts'
import { didYouMean } from '../suggest.ts'
import { commonFields, defineCollection } from './collection.ts'

/** Kinds that architecture §4 names; a provider whose name is one of them needs no `kind`. */
export const PROVIDER_KINDS = [
  'openai',
  'anthropic',
  'gemini',
  'bedrock',
  'azure-openai',
  'deepseek',
  'mistral',
  'groq',
  'together',
  'openrouter',
  'vllm',
  'ollama',
  'openai-compatible',
  'simulator',
] as const

const KINDS: ReadonlySet<string> = new Set(PROVIDER_KINDS)

export const providers = defineCollection({
  name: 'providers',
  singular: 'provider',
  schema: field.record({
    ...commonFields,
    name: field.name(),
    kind: field.optional(field.enumeration(PROVIDER_KINDS)),
    base_url: field.optional(field.url()),
    api_key: field.optional(field.stringOrStrings()),
  }),
  nameField: 'name',
  unique: ['name'],
  key: (value) => value.name,
  build(value, row, context) {
    const kind = value.kind ?? (KINDS.has(value.name) ? value.name : undefined)
    if (kind === undefined) {
      context.report(row, {
        code: 'required-field',
        field: ['kind'],
        message: `required field missing: '${value.name}' is no known kind of provider`,
        hint:
          didYouMean(value.name, PROVIDER_KINDS) ?? `add kind: one of ${PROVIDER_KINDS.join(', ')}`,
      })
      return
    }
    context.lists.providers.push({
      name: value.name,
      kind,
      baseUrl: value.base_url,
      apiKeys: (value.api_key ?? []).map((key) => new Secret(key)),
    })
  },
})
