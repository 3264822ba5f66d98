/** The price table's ids where the configuration's kinds of providers have other names. */
const IDS: Readonly<Record<string, string>> = {
  gemini: 'google',
  bedrock: 'aws',
  'azure-openai': 'azure',
  xai: 'x-ai',
}

/** Kinds that say how a provider speaks and not who it is: its host has to tell. */
const ANYBODY: ReadonlySet<string> = new Set(['openai-compatible', 'simulator'])

/** The price table's id of a name that people use. */
export function providerId(name: string): string {
  const id = name.toLowerCase()
  return IDS[id] ?? id
}

/**
 * Who sells at a provider of this kind. `vllm` and `ollama` are machines of one's own: they are in no table, so their
 * models are unpriced until a file prices them.
 */
export function providerOfKind(kind: string): string | undefined {
  return ANYBODY.has(kind) ? undefined : providerId(kind)
}
