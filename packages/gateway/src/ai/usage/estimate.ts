import { NO_USAGE, type Usage } from './usage.ts'

/** English text and code run at about four bytes a token with today's tokenizers. */
const BYTES_PER_TOKEN = 4

/** Events with less text than this on average carry one token each, whatever the language. */
const MAX_TOKEN_BYTES = 12

/**
 * What a request probably used when the provider did not say.
 *
 * @param promptBytes  size of the request body.
 * @param contentBytes generated text relayed so far, in bytes of its JSON form.
 * @param contentEvents stream events that carried text. Most providers send one token an event, some send several.
 */
export function estimateUsage(
  promptBytes: number,
  contentBytes: number,
  contentEvents: number,
): Usage {
  return {
    ...NO_USAGE,
    inputUncached: Math.ceil(promptBytes / BYTES_PER_TOKEN),
    outputText:
      contentBytes <= contentEvents * MAX_TOKEN_BYTES
        ? contentEvents
        : Math.ceil(contentBytes / BYTES_PER_TOKEN),
    source: 'estimated',
  }
}
