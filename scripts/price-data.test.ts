import { expect, test } from 'vitest'
import { currentPriceTable, priceTable } from './price-data.ts'

test('the price table is what the kept package says (run node scripts/price-data.ts --write)', async () => {
  expect(currentPriceTable() === (await priceTable())).toBe(true)
})
