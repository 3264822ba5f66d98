import { expect, test } from 'vitest'
import { givenGateway } from './gateway.ts'

test('kong.md §4.3 POST /schemas/{entity}/validate judges one entity, and refuses a document that nests without end', async () => {
  await using it = await givenGateway({ configuration: '_format_version: "3.0"' })
  const validate = async (body: string): Promise<number> => {
    const answer = await fetch(`${it.adminUrl}/schemas/routes/validate`, { method: 'POST', body })
    await answer.text()
    return answer.status
  }
  expect(await validate('{"name":"a","paths":["/a"],"service":{"id":"x"}}')).toBe(200)
  expect(await validate('{"name":"a"}')).toBe(400)
  expect(await validate(`${'['.repeat(100_000)}${']'.repeat(100_000)}`)).toBe(400)
})
