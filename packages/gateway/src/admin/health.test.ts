import { givenExchange } from '@pratu/plugin-kit/testing'
import { describe, expect, test } from 'vitest'
import { createHealthHandler, HEALTH_PATHS } from './health.ts'
import { answerOf, EXAMPLE, givenAdmin } from './testing/given-admin.ts'

interface State {
  configured: boolean
  draining: boolean
  withdrawn?: boolean
  storeAway?: boolean
}

function given(state: State) {
  const handler = createHealthHandler({
    configured: () => state.configured,
    draining: () => state.draining,
    withdrawn: () => state.withdrawn ?? false,
    storeAway: () => state.storeAway ?? false,
  })
  return (path: string, method = 'GET') =>
    answerOf(givenExchange({ method, target: path }).request, handler)
}

describe('health on the proxy port', () => {
  test('/health and /readyz: 503 before the first configuration and after SIGTERM, 200 between', async () => {
    const state = { configured: false, draining: false }
    const call = given(state)
    const statuses = async () => [
      (await call('/health')).status,
      (await call('/readyz')).status,
      (await call('/livez')).status,
    ]
    expect(await statuses()).toEqual([503, 503, 200])
    state.configured = true
    expect(await statuses()).toEqual([200, 200, 200])
    state.draining = true
    expect(await statuses()).toEqual([503, 503, 200])
  })

  test('kong.md §4.5 once withdrawn only /readyz says so: nobody restarts a process for that', async () => {
    const call = given({ configured: true, draining: false, withdrawn: true })
    const paths = ['/health', '/readyz', '/livez']
    const statuses = await Promise.all(paths.map(async (path) => (await call(path)).status))
    expect(statuses).toEqual([200, 503, 200])
  })

  test('F62 without a Redis that the node needs only /readyz fails', async () => {
    const call = given({ configured: true, draining: false, storeAway: true })
    const paths = ['/health', '/readyz', '/livez']
    const answers = await Promise.all(paths.map((path) => call(path)))
    expect(answers.map(({ status }) => status)).toEqual([200, 503, 200])
    expect(answers[1]?.json()).toEqual({ status: 'limit store away' })
  })

  test('answers say what is the matter and are never cached', async () => {
    const answer = await given({ configured: true, draining: true })('/health')
    expect(answer.json()).toEqual({ status: 'draining' })
    expect(answer.headers['cache-control']).toBe('no-store')
    expect(answer.headers['retry-after']).toBe('1')
  })

  test('GET /metrics is up and empty: a comment and no series', async () => {
    const answer = await given({ configured: false, draining: false })('/metrics')
    expect(answer.status).toBe(200)
    expect(answer.headers['content-type']).toBe('text/plain; charset=UTF-8')
    expect(answer.text).toMatch(/^# [^\n]+\n$/)
  })

  test('HEAD has the length and no body; other methods are refused', async () => {
    const call = given({ configured: true, draining: false })
    const head = await call('/health', 'HEAD')
    expect([head.status, head.text, head.headers['content-length']]).toEqual([200, '', '15'])
    const post = await call('/health', 'POST')
    expect([post.status, post.headers['allow']]).toEqual([405, 'GET, HEAD'])
  })

  test('F55 a refused reload does not make the process unhealthy', async () => {
    const admin = givenAdmin()
    await admin.load(EXAMPLE)
    await admin.load('services: 5')
    for (const path of ['/health', '/readyz', '/livez', '/status/ready']) {
      expect((await admin.call('GET', path)).status).toBe(200)
    }
  })

  test('every path of the list is answered', async () => {
    for (const path of HEALTH_PATHS) {
      expect((await given({ configured: true, draining: false })(path)).status).toBe(200)
    }
  })
})
