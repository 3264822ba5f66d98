import { drawUnit } from '../../text/random.ts'

interface TokenLogprob {
  readonly token: string
  readonly logprob: number
  readonly bytes: readonly number[]
  readonly top_logprobs: readonly Omit<TokenLogprob, 'top_logprobs'>[]
}

/** The `logprobs` object for a run of tokens; `top` alternatives each, the token itself first. */
export function chatLogprobs(
  tokens: readonly string[],
  top: number,
  seed: number,
  from = 0,
): object {
  const content = tokens.map((token, index): TokenLogprob => {
    const logprob = -Math.round(drawUnit(seed, from + index) * 1e4) / 1e4
    const alternatives = Array.from({ length: top }, (_, rank) => ({
      token: rank === 0 ? token : `${token}~${rank}`,
      logprob: logprob - rank,
      bytes: [...Buffer.from(rank === 0 ? token : `${token}~${rank}`)],
    }))
    return { token, logprob, bytes: [...Buffer.from(token)], top_logprobs: alternatives }
  })
  return { content, refusal: null }
}
