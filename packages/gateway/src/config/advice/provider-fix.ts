import type { Service } from '../entities.ts'
import { yamlScalar } from './yaml-text.ts'

/** Providers whose kind the host gives away. */
const KINDS: ReadonlyMap<string, string> = new Map([
  ['api.openai.com', 'openai'],
  ['api.anthropic.com', 'anthropic'],
  ['generativelanguage.googleapis.com', 'gemini'],
  ['api.deepseek.com', 'deepseek'],
  ['api.mistral.ai', 'mistral'],
  ['api.groq.com', 'groq'],
  ['api.together.xyz', 'together'],
  ['openrouter.ai', 'openrouter'],
])

function kindOf({ host, aiFormat }: Service): string {
  const known = KINDS.get(host)
  if (known !== undefined) return known
  // The kind also decides in which header the key goes.
  if (aiFormat === 'anthropic-messages') return 'anthropic'
  return aiFormat === 'gemini' ? 'gemini' : 'openai-compatible'
}

const ENDING = /\/(?:chat\/completions|completions|messages|responses|embeddings|models\/.*)\/?$/

function baseUrlOf({ protocol, host, port, path = '' }: Service): string {
  const isDefaultPort = port === (protocol === 'https' ? 443 : 80)
  return `${protocol}://${host}${isDefaultPort ? '' : `:${port}`}${path.replace(ENDING, '')}`
}

/** Lines that give services a key of their provider's own, whatever their callers bring. */
export function providerFix(services: readonly Service[]): string[] {
  const entries = services.map((service) => {
    const name = service.name ?? service.host
    return {
      service,
      name,
      variable: `${name.toUpperCase().replaceAll(/[^A-Z0-9]+/g, '_')}_API_KEY`,
    }
  })
  return [
    'providers:',
    ...entries.flatMap(({ service, name, variable }) => [
      `- name: ${yamlScalar(name)}`,
      `  kind: ${kindOf(service)}`,
      `  base_url: ${yamlScalar(baseUrlOf(service))}`,
      `  api_key: $(${variable})   # the provider's own key, from the environment`,
    ]),
    'services:',
    ...entries.flatMap(({ service, name }) => [
      `- name: ${yamlScalar(service.name ?? name)}`,
      `  provider: ${yamlScalar(name)}   # add this line to the service`,
    ]),
  ]
}
