import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { GivenGateway } from '../gateway.ts'
import {
  ask,
  at,
  BOTH,
  configure,
  givenKong,
  givenUpstream,
  refusals,
  type GivenUpstream,
} from './support.ts'

let upstream: GivenUpstream

beforeAll(async () => {
  upstream = await givenUpstream()
})
afterAll(() => upstream[Symbol.asyncDispose]())

const correlated = (config: object = {}, more: readonly object[] = []) => ({
  services: [{ url: upstream.url, routes: [{ paths: ['/a'] }] }],
  plugins: [{ name: 'correlation-id', config }, ...more],
})

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
const A = { path: '/a' }

/** Ids that the upstream got of this many requests. */
async function ids(given: GivenGateway, count: number, header = 'kong-request-id') {
  const found: string[] = []
  for (let i = 0; i < count; i++) {
    await ask(given.port, A)
    found.push(upstream.last.headers.get(header) ?? '')
  }
  return found
}

describe('kong.md §3.5 fields', () => {
  test('defaults and refusals', async () => {
    await using given = await givenKong(correlated())
    const response = await fetch(`${given.adminUrl}/plugins`)
    expect(at(await response.json(), 'data', 0, 'config')).toEqual({
      header_name: 'Kong-Request-ID',
      generator: 'uuid#counter',
      echo_downstream: false,
    })
    expect(await refusals(given, correlated({ generator: 'x' }))).toEqual([
      'plugins.1.config.generator: expected one of: uuid, uuid#counter, tracker',
    ])
  })
})

describe('kong.md §3.5 generators', () => {
  test('uuid: version 4, a new one for each', async () => {
    await using given = await givenKong(correlated({ generator: 'uuid' }))
    const found = await ids(given, 3)
    for (const id of found) expect(id).toMatch(UUID)
    expect(new Set(found).size).toBe(3)
  })

  test('uuid#counter, the default: one UUID, counted from 1, on over a reload', async () => {
    await using given = await givenKong(correlated())
    const found = await ids(given, 2)
    await configure(given, { ...correlated(), consumers: [{ username: 'more' }] })
    found.push(...(await ids(given, 1)))
    const [prefix = ''] = (found[0] ?? '').split('#')
    expect(prefix).toMatch(UUID)
    expect(found).toEqual([`${prefix}#1`, `${prefix}#2`, `${prefix}#3`])
  })

  test('tracker: address, port, process, connection, count and time with milliseconds', async () => {
    await using given = await givenKong(correlated({ generator: 'tracker' }))
    const [id = '', second] = await ids(given, 2)
    expect(id).toMatch(
      new RegExp(`^[0-9a-f.:]+-${given.port}-${process.pid}-\\d+-\\d+-\\d{10}\\.\\d{3}$`),
    )
    expect(second).not.toBe(id)
    expect(Math.abs(Number(id.split('-').at(-1)) * 1000 - Date.now())).toBeLessThan(60_000)
  })
})

describe.each(BOTH)('kong.md §3.5 the header (%s)', (_mode, givenMode) => {
  test('the client’s own is kept, an empty one is not', async () => {
    await using given = await givenMode(correlated())
    await ask(given.port, { ...A, headers: { 'Kong-Request-ID': 'mine' } })
    expect(upstream.last.headers.get('kong-request-id')).toBe('mine')
    await ask(given.port, { ...A, headers: { 'Kong-Request-ID': '' } })
    expect(upstream.last.headers.get('kong-request-id')).toMatch(/#1$/)
  })

  test('header_name', async () => {
    await using given = await givenMode(correlated({ header_name: 'X-Trace' }))
    const [id] = await ids(given, 1, 'x-trace')
    expect(id).toMatch(/#1$/)
    expect(upstream.last.names).toContain('X-Trace')
  })

  test('echo_downstream: the id that went upstream; off by default', async () => {
    await using given = await givenMode(correlated({ echo_downstream: true }))
    const { headers } = await ask(given.port, A)
    expect(headers.get('kong-request-id')).toBe(upstream.last.headers.get('kong-request-id'))
    await using silent = await givenMode(correlated())
    expect((await ask(silent.port, A)).headers.has('kong-request-id')).toBe(false)
  })

  test('echoed also where access never ran: the client’s own, else a fresh one', async () => {
    await using given = await givenMode(correlated({ echo_downstream: true }))
    const fresh = await ask(given.port, { path: '/none' })
    expect(fresh.status).toBe(404)
    expect(fresh.headers.get('kong-request-id')).toMatch(/#\d+$/)
    const own = await ask(given.port, { path: '/none', headers: { 'Kong-Request-ID': 'mine' } })
    expect(own.headers.get('kong-request-id')).toBe('mine')
  })

  test('runs before authentication: a refused request has its id', async () => {
    await using given = await givenMode(
      correlated({ echo_downstream: true }, [{ name: 'key-auth' }]),
    )
    const answer = await ask(given.port, A)
    expect(answer.status).toBe(401)
    expect(answer.headers.get('kong-request-id')).toMatch(/#1$/)
  })
})
