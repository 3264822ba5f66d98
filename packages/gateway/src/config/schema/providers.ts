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

/** What every provider's keys are made of, and a header can carry. */
const KEY = /^[\x21-\x7e]+$/

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
    const apiKeys = value.api_key ?? []
    if (!apiKeys.every((key) => KEY.test(key))) {
      context.report(row, {
        code: 'invalid-value',
        field: ['api_key'],
        message: 'not a key: it is blank, or holds characters that no header can carry',
        hint: 'look for a blank or a line end at the end of the secret that it comes from',
      })
      return
    }
    context.lists.providers.push({
      name: value.name,
      kind,
      baseUrl: value.base_url,
      apiKeys: apiKeys.map((key) => new Secret(key)),
    })
  },
})
