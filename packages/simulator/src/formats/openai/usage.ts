import type { UsageFault } from '../wire-format.ts'

/**
 * The `usage` object, whole or spoilt (F32).
 *
 * @returns `undefined` when it is to be left out.
 */
export function chatUsage(
  promptTokens: number,
  completionTokens: number,
  fault: UsageFault | undefined,
): object | null | undefined {
  if (fault === 'missing') return undefined
  if (fault === 'null') return null
  if (fault === 'negative')
    return { prompt_tokens: -promptTokens, completion_tokens: -completionTokens, total_tokens: -1 }
  if (fault === 'string')
    return { prompt_tokens: `${promptTokens}`, completion_tokens: 'many', total_tokens: '' }
  if (fault === 'huge') return { prompt_tokens: 1e18, completion_tokens: 1e18, total_tokens: 2e18 }
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
    prompt_tokens_details: { cached_tokens: 0, audio_tokens: 0 },
    completion_tokens_details: {
      reasoning_tokens: 0,
      audio_tokens: 0,
      accepted_prediction_tokens: 0,
      rejected_prediction_tokens: 0,
    },
  }
}
