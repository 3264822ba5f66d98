import { describe, expect, test } from 'vitest'
import { EXAMPLE, givenAdmin } from './testing/given-admin.ts'

describe('kong.md §4.3 /status', () => {
  test("has Kong's fields and ours", async () => {
    const admin = givenAdmin()
    await admin.load(EXAMPLE)
    admin.metrics.gauge('pratu_connections_open').set(5)
    admin.metrics.gauge('pratu_requests_in_flight').set(2)
    admin.metrics.counter('pratu_connections_accepted_total').add(9)
    admin.metrics.counter('pratu_requests_received_total').add(40)
    const answer = await admin.call('GET', '/status')
    expect(answer.headers['content-type']).toBe('application/json; charset=utf-8')
    expect(answer.headers['server']).toBe('kong/3.9.1')
    expect(answer.headers['x-kong-admin-latency']).toMatch(/^\d+$/)
    expect(answer.json()).toEqual({
      memory: {
        workers_lua_vms: [
          { http_allocated_gc: expect.stringMatching(/^\d+\.\d\d MiB$/), pid: process.pid },
        ],
        lua_shared_dicts: {},
      },
      server: {
        connections_active: 5,
        connections_reading: 0,
        connections_writing: 2,
        connections_waiting: 3,
        connections_accepted: 9,
        connections_handled: 9,
        total_requests: 40,
      },
      configuration_hash: expect.stringMatching(/^[0-9a-f]{32}$/),
      pratu: {
        version: '0.1.0',
        phase: 'serving',
        uptime_seconds: expect.any(Number),
        generation: 1,
        applied_at: '2023-11-14T22:13:20.000Z',
        stale_since: null,
        last_error: null,
        workers: [{ worker: 0, generation: 1 }],
        memory: {
          rss_bytes: expect.any(Number),
          heap_used_bytes: expect.any(Number),
          limit_bytes: 512 * 1024 * 1024,
          buffer_bytes: 0,
          cache_bytes: 0,
        },
      },
    })
  })

  test('unit and scale decide how memory is printed', async () => {
    const admin = givenAdmin()
    const gc = async (query: string): Promise<unknown> => {
      const { memory } = JSON.parse((await admin.call('GET', `/status?${query}`)).text)
      return memory.workers_lua_vms[0].http_allocated_gc
    }
    expect(await gc('unit=k&scale=0')).toMatch(/^\d+ KiB$/)
    expect(await gc('unit=g&scale=4')).toMatch(/^\d+\.\d{4} GiB$/)
    expect(await gc('unit=b')).toEqual(expect.any(Number))
    expect((await admin.call('GET', '/status?unit=x')).status).toBe(400)
    expect((await admin.call('GET', '/status?scale=-1')).status).toBe(400)
  })

  test('without a configuration the hash is 32 zeros', async () => {
    const answer = await givenAdmin().call('GET', '/status')
    expect(answer.json()).toMatchObject({
      configuration_hash: '0'.repeat(32),
      pratu: { phase: 'starting', generation: 0, applied_at: null },
    })
  })

  test('F55 a refused configuration is shown with its places, and since when the one in use is stale', async () => {
    const admin = givenAdmin()
    await admin.load(EXAMPLE)
    await admin.load('_format_version: "3.0"\nservices:\n- name: a\n  hots: x\n')
    const answer = await admin.call('GET', '/status')
    expect(answer.json()).toMatchObject({
      pratu: {
        phase: 'serving',
        generation: 1,
        stale_since: '2023-11-14T22:15:00.000Z',
        last_error: {
          origin: 'admin',
          message: 'the configuration is not valid',
          problems: expect.arrayContaining([
            expect.objectContaining({ file: 'body', line: 4, message: 'unknown field' }),
          ]),
        },
      },
    })
  })

  test('S36 to other machines the diagnostics are only a number', async () => {
    const admin = givenAdmin()
    await admin.load('_format_version: "3.0"\nservices:\n- name: a\n  hots: x\n')
    const answer = await admin.call('GET', '/status', { peerIp: '10.0.0.1' })
    expect(answer.text).not.toContain('hots')
    expect(answer.json()).toMatchObject({
      pratu: { last_error: { origin: 'admin', problem_count: expect.any(Number) } },
    })
    expect(answer.text).not.toContain('problems')
  })
})

describe('kong.md §4.5 /status/ready', () => {
  test('says ready, or why not', async () => {
    const admin = givenAdmin()
    const ready = async () => {
      const answer = await admin.call('GET', '/status/ready', { peerIp: '10.0.0.1' })
      return [answer.status, answer.json()]
    }
    expect(await ready()).toEqual([
      503,
      { message: 'no configuration available (configuration hash is not initialized)' },
    ])
    await admin.load('_format_version: "3.0"')
    expect(await ready()).toEqual([
      503,
      { message: 'no configuration available (empty configuration present)' },
    ])
    await admin.load(EXAMPLE)
    expect(await ready()).toEqual([200, { message: 'ready' }])
    admin.process.workers = [
      { worker: 0, generation: 2 },
      { worker: 1, generation: 0 },
    ]
    expect(await ready()).toEqual([
      503,
      { message: 'router builds not yet complete, router ready in 1 of 2 workers' },
    ])
    admin.process.draining = true
    expect(await ready()).toEqual([503, { message: 'draining' }])
  })

  test('other methods are refused', async () => {
    expect((await givenAdmin().call('PUT', '/status/ready')).status).toBe(405)
  })

  test.each([
    ['query', '?status=draining', {}],
    [
      'form',
      '',
      {
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: 'status=draining',
      },
    ],
    [
      'JSON',
      '',
      { headers: { 'content-type': 'application/json' }, body: '{"status":"draining"}' },
    ],
  ])('POST status=draining in a %s turns readiness off', async (_what, query, given) => {
    const admin = givenAdmin()
    await admin.load(EXAMPLE)
    expect((await admin.call('GET', '/status/ready')).status).toBe(200)
    const told = await admin.call('POST', `/status/ready${query}`, given)
    expect([told.status, told.text]).toEqual([204, ''])
    const ready = await admin.call('GET', '/status/ready')
    expect([ready.status, ready.json()]).toEqual([503, { message: 'draining' }])
    expect((await admin.call('GET', '/readyz')).status).toBe(503)
    expect((await admin.call('GET', '/health')).status).toBe(200)
    expect((await admin.call('GET', '/status')).json()).toMatchObject({
      pratu: { phase: 'draining' },
    })
  })

  test('POST without that status changes nothing, nor does a stranger', async () => {
    const admin = givenAdmin()
    await admin.load(EXAMPLE)
    expect((await admin.call('POST', '/status/ready')).status).toBe(400)
    expect((await admin.call('POST', '/status/ready?status=ready')).status).toBe(400)
    const far = await admin.call('POST', '/status/ready?status=draining', { peerIp: '10.0.0.1' })
    expect(far.status).toBe(403)
    expect((await admin.call('GET', '/status/ready')).status).toBe(200)
  })
})
