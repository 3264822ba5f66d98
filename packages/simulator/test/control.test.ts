import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { startSimulator } from '../src/index.ts'
import type { Simulator } from '../src/index.ts'
import { at, call, jsonAt } from './api-client.ts'
import { chatBody, RawClient, rawRequest } from './raw-client.ts'

let simulator: Simulator

beforeAll(async () => {
  simulator = await startSimulator({
    seed: 9,
    rules: [{ match: { model: 'never' }, fault: 'status=500' }],
  })
})
afterEach(() => simulator.clear())
afterAll(() => simulator.close())

async function control(path: string, options: Parameters<typeof call>[1] = {}): Promise<unknown> {
  const answer = await call(`${simulator.url}/__simulator/${path}`, options)
  expect(answer.status, answer.text).toBe(200)
  return JSON.parse(answer.text)
}

test('health answers, and control requests are neither recorded nor counted', async () => {
  expect(await control('health')).toEqual({ status: 'ok' })
  expect(simulator.requests).toHaveLength(0)
  expect(at(await control('stats'), 'requests')).toBe(0)
})

test('recorded requests can be read, all or one, with raw bytes, events and closing', async () => {
  const client = new RawClient(simulator.port)
  client.write(
    rawRequest({
      headers: { 'x-simulator-fault': 'status=503', connection: 'close' },
      body: chatBody('hi'),
    }),
  )
  await client.closed
  client.close()
  await (
    await simulator.waitForRequest()
  ).closed
  const list = await control('requests')
  const request = at(list, 'requests', 0)
  expect(request).toMatchObject({
    index: 0,
    path: '/v1/chat/completions',
    fault: 'status=503',
    status: 503,
    complete: true,
    malformed: null,
    closing: { by: 'server', how: 'fin' },
  })
  expect(Buffer.from(String(at(request, 'rawHead')), 'base64').toString()).toMatch(
    /^POST \/v1\/chat\/completions HTTP\/1\.1\r\n/,
  )
  expect(at(request, 'body')).toBe(chatBody('hi'))
  expect(at(request, 'events', 0, 'type')).toBe('head')
  expect(typeof at(list, 'timeOriginMs')).toBe('number')
  expect(await control('requests/0')).toEqual(request)
})

test('requests are chosen by after, path and limit; wait_ms waits for one, and for no more than its time', async () => {
  for (let i = 0; i < 3; i += 1) await call(`${simulator.url}/v1/models`)
  await call(`${simulator.url}/v1/models/gpt-5`)
  const indexes = async (query: string): Promise<unknown[]> => {
    const list = at(await control(`requests?${query}`), 'requests')
    return Array.isArray(list) ? list.map((request) => at(request, 'index')) : []
  }
  expect(await indexes('after=1')).toEqual([2, 3])
  expect(await indexes('path=/v1/models&limit=2')).toEqual([0, 1])
  const waiting = indexes('after=3&wait_ms=5000')
  await call(`${simulator.url}/v1/models`)
  expect(await waiting).toEqual([4])
  expect(await indexes('after=100&wait_ms=20')).toEqual([])
})

test('DELETE requests forgets them', async () => {
  await call(`${simulator.url}/v1/models`)
  await control('requests', { method: 'DELETE' })
  expect(simulator.requests).toHaveLength(0)
})

test('rules can be read, replaced, removed; reset brings back those of the start', async () => {
  expect(at(await control('rules'), 'rules', 0, 'fault')).toBe('status=500')
  const rules = [
    'path=/v1/models; nth=2 => status=502',
    { match: { path: '/v1/models' }, fault: { status: 503, 'retry-after': 7 } },
  ]
  await control('rules', { method: 'POST', body: JSON.stringify(rules) })
  const statuses = []
  for (let i = 0; i < 3; i += 1) statuses.push((await call(`${simulator.url}/v1/models`)).status)
  expect(statuses).toEqual([503, 502, 503])
  await control('rules', { method: 'DELETE' })
  expect((await call(`${simulator.url}/v1/models`)).status).toBe(200)
  await control('reset', { method: 'POST' })
  expect(at(await control('rules'), 'rules', 0, 'match', 'model')).toBe('never')
  expect(simulator.requests).toHaveLength(0)
})

test.each([
  ['{', /JSON/],
  ['{}', /a JSON list is expected/],
  ['[5]', /must be a string or an object/],
  ['["path=/x => bogus"]', /"bogus" is unknown/],
  ['["where=/x => status=500"]', /no condition/],
  ['[{"match": {"nth": "x"}, "fault": "status=500"}]', /nth/],
  ['[{"match": {"nope": 1}, "fault": "status=500"}]', /nope is no condition/],
  ['[{"fault": {"status": {}}}]', /status must be/],
  ['[{"fault": "status=500", "also": 1}]', /"also" is unknown/],
])('rules that make no sense are 400 and change nothing: %s', async (body, message) => {
  const answer = await call(`${simulator.url}/__simulator/rules`, { method: 'POST', body })
  expect(answer.status).toBe(400)
  expect(String(jsonAt(answer.text, 'error', 'message'))).toMatch(message)
  expect(at(await control('rules'), 'rules')).toHaveLength(1)
})

test('stats count requests, faults, streams, connections and malformed requests', async () => {
  await call(`${simulator.url}/v1/chat/completions`, { body: chatBody('hi', { stream: true }) })
  await call(`${simulator.url}/v1/models`, { headers: { 'x-simulator-fault': 'status=500' } })
  const client = new RawClient(simulator.port)
  client.write('BAD\r\n\r\n')
  await client.closed
  client.close()
  expect(await control('stats')).toMatchObject({
    requests: 3,
    recorded: 3,
    malformed: 1,
    faulted: 1,
    streams: 1,
    openStreams: 0,
    rules: 1,
    seed: 9,
  })
})

test('an unknown control path is 404 and lists what there is; without control it is an ordinary path', async () => {
  const unknown = await call(`${simulator.url}/__simulator/nothing`)
  expect(unknown.status).toBe(404)
  expect(String(jsonAt(unknown.text, 'error', 'message'))).toContain('GET stats')
  expect((await call(`${simulator.url}/__simulator/requests/77`)).status).toBe(404)
  const closed = await startSimulator({ control: false })
  expect((await call(`${closed.url}/__simulator/health`)).status).toBe(404)
  expect(closed.requests).toHaveLength(1)
  await closed.close()
})

test('no rule hits the control endpoint', async () => {
  simulator.setRules([{ fault: 'early; status=500' }])
  expect(await control('health')).toEqual({ status: 'ok' })
})
