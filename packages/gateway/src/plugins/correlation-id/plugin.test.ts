import {
  describePlugin,
  FieldList,
  givenContext,
  givenExchange,
  parseConfig,
  runExchange,
  type ContextGiven,
  type ExchangeGiven,
} from '@pratu/plugin-kit/testing'
import { describe, expect, test } from 'vitest'
import { correlationId } from './plugin.ts'

describePlugin(correlationId, {
  validConfig: { echo_downstream: true },
  defaults: { headerName: 'Kong-Request-ID', generator: 'uuid#counter', echoDownstream: true },
  invalidConfigs: [
    {
      config: { generator: 'ulid' },
      message: 'expected one of: uuid, uuid#counter, tracker',
      path: 'generator',
    },
    {
      config: { header_name: 'a b' },
      message: "bad header name 'a b', allowed characters are A-Z, a-z, 0-9, '_', and '-'",
      path: 'header_name',
    },
  ],
})

function start(raw: Readonly<Record<string, unknown>> = {}, given: ContextGiven = {}) {
  const context = givenContext(given)
  const config = parseConfig(correlationId, raw)
  const plugin = correlationId.create(config, context)
  const request = async (exchangeGiven: ExchangeGiven = {}) => {
    const exchange = givenExchange(exchangeGiven)
    const { headers } = await runExchange(plugin, exchange)
    return {
      upstream: exchange.upstream.headers.get('kong-request-id'),
      client: headers.get('kong-request-id'),
      logged: exchange.annotations.get('correlation_id'),
    }
  }
  return { context, config, plugin, request }
}

describe('kong.md §3.5 the id', () => {
  test('that the client sends is kept, for upstream, log and, when asked to, the answer', async () => {
    const headers = { 'kong-REQUEST-id': 'mine' }
    expect(await start().request({ headers })).toEqual({
      upstream: 'mine',
      client: undefined,
      logged: 'mine',
    })
    expect(await start({ echo_downstream: true }).request({ headers })).toEqual({
      upstream: 'mine',
      client: 'mine',
      logged: 'mine',
    })
  })

  test('is made when the client sends none, or an empty one', async () => {
    const { request } = start({ echo_downstream: true })
    for (const headers of [{}, { 'Kong-Request-ID': '' }]) {
      const { upstream, client, logged } = await request({ headers })
      expect(upstream).toMatch(/^[0-9a-f-]{36}#\d+$/)
      expect([client, logged]).toEqual([upstream, upstream])
    }
  })

  test('goes by the configured header, spelt as configured', async () => {
    const exchange = givenExchange()
    await runExchange(start({ header_name: 'X-Trace' }).plugin, exchange)
    expect(exchange.upstream.headers.entries().map(([name]) => name)).toContain('X-Trace')
  })

  test('is echoed also when access never ran: the client’s own, else a fresh one', () => {
    const { plugin } = start({ echo_downstream: true })
    const echoed = (given: ExchangeGiven): string | undefined => {
      const head = { status: 404, headers: new FieldList() }
      plugin.responseHeaders?.(givenExchange({ ...given, route: null, service: null }), head)
      return head.headers.get('kong-request-id')
    }
    expect(echoed({ headers: { 'Kong-Request-ID': 'mine' } })).toBe('mine')
    expect(echoed({})).toMatch(/#1$/)
  })

  test('echoed after access is the one that went upstream, whatever was generated since', async () => {
    const { plugin } = start({ echo_downstream: true })
    const exchange = givenExchange()
    await plugin.access?.(exchange)
    await plugin.access?.(givenExchange())
    const head = { status: 200, headers: new FieldList() }
    plugin.responseHeaders?.(exchange, head)
    expect(head.headers.get('kong-request-id')).toBe(
      exchange.upstream.headers.get('kong-request-id'),
    )
  })
})

describe('kong.md §3.5 generators', () => {
  test('uuid: a version 4 UUID for each request', async () => {
    const { request } = start({ generator: 'uuid' })
    const ids = [(await request()).upstream, (await request()).upstream]
    expect(new Set(ids).size).toBe(2)
    expect(
      ids.every((id) =>
        /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(id ?? ''),
      ),
    ).toBe(true)
  })

  test('uuid#counter: one UUID, and numbers from 1', async () => {
    const { request } = start()
    const ids = [(await request()).upstream, (await request()).upstream, (await request()).upstream]
    const [prefix] = (ids[0] ?? '').split('#')
    expect(ids).toEqual([`${prefix}#1`, `${prefix}#2`, `${prefix}#3`])
  })

  test('uuid#counter goes on after a reload', async () => {
    const { context, config, request } = start()
    const { upstream } = await request()
    const exchange = givenExchange()
    await runExchange(correlationId.create(config, context), exchange)
    expect(exchange.upstream.headers.get('kong-request-id')).toBe(upstream?.replace('#1', '#2'))
  })

  test('tracker: address, port, process, worker, count and time', async () => {
    const { context, request } = start({ generator: 'tracker' }, { node: { worker: 3 } })
    context.clock.setWall(1_700_000_000_250)
    const [one, two] = [await request({ port: 8443 }), await request()]
    expect(one.upstream).toMatch(
      new RegExp(`^[0-9a-f.:]+-8443-${process.pid}-3-1-1700000000\\.250$`),
    )
    expect(two.upstream).not.toBe(one.upstream)
  })
})
