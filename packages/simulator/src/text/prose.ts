import { draw } from './random.ts'

const WORDS = [
  'the', 'gate', 'opens', 'when', 'a', 'river', 'carries', 'small', 'boats', 'past', 'old', 'stone', 'walls', 'and',
  'quiet', 'gardens', 'every', 'morning', 'light', 'falls', 'on', 'water', 'while', 'people', 'walk', 'slowly', 'to',
  'market', 'with', 'baskets', 'of', 'fruit', 'rice', 'paper', 'letters', 'they', 'count', 'steps', 'between', 'two',
  'bridges', 'then', 'rest', 'under', 'tall', 'trees', 'until', 'evening', 'bells', 'ring', 'over', 'roofs', 'clouds',
  'drift', 'far', 'from', 'hills', 'where', 'birds', 'build', 'nests', 'in', 'spring', 'rain',
] // prettier-ignore
const SPACED = WORDS.map((word) => ` ${word}`)
const SENTENCE_WORDS = 11

/**
 * Readable text of exactly `count` tokens. The strings are shared, so an answer costs one pointer per token.
 *
 * @param seed names the text: the same seed always gives the same words.
 */
export function writeTokens(seed: number, count: number): string[] {
  const tokens: string[] = []
  for (let i = 0; i < count; i += 1) {
    if (i === count - 1 || (i + 1) % SENTENCE_WORDS === 0) {
      tokens.push(i === 0 ? 'the' : '.')
      continue
    }
    const list = i === 0 ? WORDS : SPACED
    tokens.push(list[draw(seed, i) % list.length] ?? '')
  }
  return tokens
}
