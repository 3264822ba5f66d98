import { expect, test } from 'vitest'
import { chat, givenAiGateway } from './gateway.ts'
import { scrape, sumOf } from './metrics-text.ts'

test('kong.md §3.6 §4.3 connections and requests of the proxy port are in the scrape and in /status at once', async () => {
  await using it = await givenAiGateway()
  for (let i = 0; i < 3; i++) {
    const answer = await fetch(`${it.url}/v1/chat/completions`, chat())
    await answer.text()
  }
  expect((await fetch(`${it.url}/nowhere`)).status).toBe(404)
  const { samples } = await scrape(it.adminUrl)
  const connections = (state: string): number =>
    sumOf(samples, 'kong_nginx_connections_total', { state })
  expect(sumOf(samples, 'kong_nginx_requests_total')).toBe(4)
  expect(connections('total')).toBe(4)
  const accepted = connections('accepted')
  expect(accepted).toBeGreaterThanOrEqual(1)
  expect(accepted).toBeLessThanOrEqual(4)
  expect(connections('handled')).toBe(accepted)
  expect(connections('active')).toBe(connections('waiting'))
  const status = await fetch(`${it.adminUrl}/status`)
  expect(await status.json()).toMatchObject({
    server: {
      connections_accepted: accepted,
      connections_handled: accepted,
      total_requests: 4,
    },
  })
})
