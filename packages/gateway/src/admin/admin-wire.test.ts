import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { renderBareError } from '../errors/index.ts'
import { MemoryBudget } from '../http/index.ts'
import { createListener, type Listener } from '../listener/index.ts'
import type { LoggedAdminRequest } from '../observe/index.ts'
import { createAdmin } from './index.ts'
import { EXAMPLE, givenAdmin, SETTINGS, type GivenAdmin } from './testing/given-admin.ts'

let admin: GivenAdmin
let listener: Listener
let origin: string
let logged: LoggedAdminRequest[]

beforeEach(async () => {
  logged = []
  admin = givenAdmin()
  const handler = createAdmin({
    ...admin.dependencies,
    accessLog: {
      enabled: true,
      exchange: () => undefined,
      admin: (request) => logged.push(request),
    },
  })
  listener = createListener(
    {
      limits: SETTINGS.limits,
      trustedIps: [],
      realIpHeader: 'X-Real-IP',
      realIpRecursive: false,
      pathMode: 'strict',
      memory: new MemoryBudget(64 * 1024 * 1024),
      healthPaths: new Set(),
      renderRefusal: (error, requestId) => renderBareError(error, requestId),
    },
    handler,
  )
  const { port } = await listener.listen({ host: '127.0.0.1', port: 0 })
  origin = `http://127.0.0.1:${port}`
})
afterEach(() => listener.close(0))

describe('over a real socket', () => {
  test('a configuration is posted, read back and seen by the collections', async () => {
    const posted = await fetch(`${origin}/config`, {
      method: 'POST',
      headers: { 'content-type': 'application/yaml' },
      body: EXAMPLE,
    })
    expect(posted.status).toBe(201)
    await posted.arrayBuffer()
    const services: unknown = await (await fetch(`${origin}/services`)).json()
    expect(services).toMatchObject({ data: [{ name: 'llm' }, { name: 'plain' }], next: null })
    expect(logged.map(({ method, target, status }) => [method, target, status])).toEqual([
      ['POST', '/config', 201],
      ['GET', '/services', 200],
    ])
    expect(logged[0]?.responseBytes).toBeGreaterThan(500)
  })

  test('a large scrape arrives whole, is not logged, and requests are answered meanwhile', async () => {
    for (let index = 0; index < 3000; index += 1) {
      admin.metrics.histogram('kong_request_duration_ms', [`service-${index}`, 'r']).observe(index)
    }
    const [scrape, health] = await Promise.all([
      fetch(`${origin}/metrics`).then((response) => response.text()),
      fetch(`${origin}/health`).then((response) => response.status),
    ])
    expect(health).toBe(503)
    expect(scrape.length).toBeGreaterThan(3_000_000)
    expect(scrape).toContain('kong_request_duration_ms_count{service="service-2999",route="r"} 1\n')
    expect(scrape.endsWith('\n')).toBe(true)
    expect(logged).toEqual([])
  })

  test('HEAD and 304 keep the connection usable', async () => {
    const head = await fetch(`${origin}/status`, { method: 'HEAD' })
    expect(head.headers.get('content-length')).toMatch(/^\d+$/)
    await admin.load(EXAMPLE)
    const same = await fetch(`${origin}/config?check_hash=1`, {
      method: 'POST',
      headers: { 'content-type': 'application/yaml' },
      body: EXAMPLE,
    })
    expect(same.status).toBe(304)
    expect((await fetch(`${origin}/livez`)).status).toBe(200)
  })

  test('S36 a refused request costs nothing: its body is not read', async () => {
    const answer = await fetch(`${origin}/config`, {
      method: 'POST',
      headers: { 'content-type': 'application/yaml', origin: 'https://evil.test' },
      body: 'x'.repeat(1024 * 1024),
    })
    expect(answer.status).toBe(403)
    expect(await answer.json()).toEqual({
      message: 'Forbidden: requests of other sites need the admin token',
    })
  })
})
