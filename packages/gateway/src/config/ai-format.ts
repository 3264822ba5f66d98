import type { AiFormat } from './entities.ts'

const ENDINGS: readonly (readonly [ending: string, format: AiFormat])[] = [
  // The longer ending first: a chat path ends like a completions path.
  ['/chat/completions', 'openai-chat'],
  ['/completions', 'openai-completions'],
  ['/messages', 'anthropic-messages'],
  ['/responses', 'openai-responses'],
  ['/embeddings', 'openai-embeddings'],
]

/** Recognises AI traffic on a plain service by its path (architecture §3). */
export function recogniseAiFormat(path: string): AiFormat | undefined {
  if (path.includes(':generateContent') || path.includes(':streamGenerateContent')) return 'gemini'
  const bare = path.endsWith('/') ? path.slice(0, -1) : path
  return ENDINGS.find(([ending]) => bare.endsWith(ending))?.[1]
}
