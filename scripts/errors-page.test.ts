import { expect, test } from 'vitest'
import { CATALOGUE } from '../packages/gateway/src/errors/index.ts'
import { currentErrorsPage, errorsPage } from './errors-page.ts'

test('docs/errors.md lists exactly the catalogue (run node scripts/errors-page.ts --write)', () => {
  expect(currentErrorsPage()).toBe(errorsPage())
})

test.each(Object.entries(CATALOGUE))(
  '%s has a client error or server error status and a text',
  (_code, entry) => {
    expect(entry.status).toBeGreaterThanOrEqual(400)
    expect(entry.status).toBeLessThan(600)
    expect(entry.message).not.toBe('')
  },
)
