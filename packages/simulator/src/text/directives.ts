/** What a prompt may ask of the simulator, so that a test can steer an answer through any gateway. */
export interface Directives {
  /** `nonce:abc` anywhere: the answer begins with the same words. */
  readonly nonce: string | undefined
  /** `tokens:40` anywhere: the answer has exactly so many tokens. */
  readonly tokens: number | undefined
  /** `echo:…` at the start: the answer is the rest of the prompt. */
  readonly echo: string | undefined
}

const NONCE = /nonce:([A-Za-z0-9._-]{1,128})/
const TOKENS = /tokens:(\d{1,7})/
const ECHO = 'echo:'

/** @param prompt the last user message. */
export function readDirectives(prompt: string): Directives {
  const nonce = prompt.includes('nonce:') ? NONCE.exec(prompt)?.[1] : undefined
  const tokens = prompt.includes('tokens:') ? TOKENS.exec(prompt)?.[1] : undefined
  return {
    nonce,
    tokens: tokens === undefined ? undefined : Number(tokens),
    echo: prompt.startsWith(ECHO) ? prompt.slice(ECHO.length) : undefined,
  }
}
