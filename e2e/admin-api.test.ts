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

test.each(['1', '2'])(
  'kong.md §4.5 POST /status/ready with %s workers: readiness goes off on both ports, and traffic goes on',
  async (workers) => {
    await using it = await givenGateway({
      configuration: `_format_version: "3.0"
routes:
- name: r
  paths: [/answer]
plugins:
- name: request-termination
  config: {status_code: 200}
`,
      environment: { PRATU_WORKERS: workers },
    })
    const statusOf = async (url: string, init?: RequestInit): Promise<number> => {
      const answer = await fetch(url, init)
      await answer.text()
      return answer.status
    }
    const readiness = () =>
      Promise.all([
        statusOf(`${it.url}/readyz`),
        statusOf(`${it.adminUrl}/readyz`),
        statusOf(`${it.adminUrl}/status/ready`),
      ])
    // Each worker takes the configuration over by itself, and /status/ready waits for all of them.
    await expect.poll(readiness, { interval: 10, timeout: 5000 }).toEqual([200, 200, 200])
    const body = new URLSearchParams({ status: 'draining' })
    expect(await statusOf(`${it.adminUrl}/status/ready`, { method: 'POST', body })).toBe(204)
    expect(await readiness()).toEqual([503, 503, 503])
    expect(await statusOf(`${it.url}/health`)).toBe(200)
    expect(await statusOf(`${it.url}/answer`)).toBe(200)
  },
)

test('kong.md §4.3 GET /timers has the shape that tools read', async () => {
  await using it = await givenGateway({ configuration: '_format_version: "3.0"' })
  const answer = await fetch(`${it.adminUrl}/timers`)
  expect(await answer.json()).toMatchObject({
    worker: { id: 0, count: 1 },
    stats: { sys: { total: 0, running: 0 }, timers: {} },
  })
})
