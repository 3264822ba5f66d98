import fc from 'fast-check'
import { expect, test } from 'vitest'
import { compose } from './compose.ts'
import { countTokens } from './tokenizer.ts'

const request = {
  seed: 1,
  prompt: 'hello',
  nonce: undefined,
  range: { min: 16, max: 48 },
  maxTokens: undefined,
  stop: [],
}

test('the length lies in the range and depends on the seed', () => {
  const lengths = new Set<number>()
  for (let seed = 0; seed < 300; seed += 1) {
    const { tokens } = compose({ ...request, seed })
    expect(tokens.length).toBeGreaterThanOrEqual(16)
    expect(tokens.length).toBeLessThanOrEqual(48)
    lengths.add(tokens.length)
  }
  expect(lengths.size).toBe(33)
})

test('whatever is asked for, the tokens count as the text does', () => {
  const stops = fc.array(fc.string({ minLength: 1, maxLength: 3 }), { maxLength: 4 })
  fc.assert(
    fc.property(
      fc.nat(),
      fc.nat(60),
      fc.option(fc.stringMatching(/^[A-Za-z0-9._-]{1,20}$/), { nil: undefined }),
      fc.option(fc.integer({ min: 1, max: 60 }), { nil: undefined }),
      stops,
      (seed, count, nonce, maxTokens, stop) => {
        const prompt = `tokens:${count}`
        const { tokens, reason } = compose({ ...request, seed, prompt, nonce, maxTokens, stop })
        const text = tokens.join('')
        expect(countTokens(text)).toBe(tokens.length)
        if (maxTokens !== undefined) expect(tokens.length).toBeLessThanOrEqual(maxTokens)
        if (reason === 'length') expect(tokens.length).toBe(maxTokens)
        for (const word of stop) expect(text).not.toContain(word)
      },
    ),
  )
})

test('a nonce is part of the length asked for, and never cut by it', () => {
  expect(compose({ ...request, prompt: 'tokens:10', nonce: 'ab1' }).tokens).toHaveLength(10)
  expect(compose({ ...request, prompt: 'tokens:1', nonce: 'ab1' }).tokens.join('')).toBe(
    'nonce:ab1',
  )
})
