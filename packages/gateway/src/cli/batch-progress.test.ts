import { expect, test } from 'vitest'
import { createProgress, progressText } from './batch-progress.ts'

const PROGRESS = {
  total: 10_000,
  succeeded: 3_990,
  failed: 10,
  inFlight: 25,
  limit: 25,
  retries: 12,
  rateLimited: 3,
}

test('the bar tells the share, the rate, what is left and what went wrong', () => {
  expect(progressText(PROGRESS, 20_000)).toBe(
    '[████████████░░░░░░░░░░░░░░░░░░] 4000/10000 40 % · 25 of 25 under way · 200/s · 0:30 left · 10 failed · 3 × 429',
  )
  const nothing = { ...PROGRESS, total: 0, succeeded: 0, failed: 0, rateLimited: 0 }
  expect(progressText(nothing, 0)).toMatch(/0\/0 100 % · 25 of 25 under way · 0\.0\/s$/)
})

test('on a terminal the line is drawn over, ten times a second at most; elsewhere it is a line every ten seconds', () => {
  for (const [isTTY, marks] of [
    [true, /^(?:\r<clear>[^\n]+){4}\n$/],
    [false, /^(?:[^\r\n]+\n){1}$/],
  ] as const) {
    let time = 0
    let written = ''
    const stream = { isTTY, write: (text: string) => (written += text) }
    const progress = createProgress(stream, () => time)
    for (const at of [0, 50, 120, 150, 10_500]) {
      time = at
      progress.show(PROGRESS)
    }
    progress.end()
    expect(written.replaceAll('\x1b[2K', '<clear>')).toMatch(marks)
  }
})
