import { startSimulator, type Simulator } from '@pratu/simulator'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  RawClient,
  type RawResponse,
} from '../../packages/gateway/src/listener/testing/raw-client.ts'
import { chat, givenGateway, type GivenGateway } from '../gateway.ts'
import { aMinuteWithRoomFor } from '../minute.ts'

let simulator: Simulator
let gateway: GivenGateway

const configuration = (): string => `_format_version: "3.0"
services:
- {name: ai, url: "${simulator.url}/v1/chat/completions", routes: [{name: ai, paths: [/v1/chat], strip_path: false}]}
- {name: claude, url: "${simulator.url}/v1/messages", routes: [{name: claude, paths: [/v1/messages], strip_path: false}]}
- {name: plain, url: "${simulator.url}", routes: [{name: plain, paths: [/plain]}]}
plugins:
- {name: correlation-id, config: {header_name: X-Correlation, echo_downstream: true}}
`

beforeAll(async () => {
  simulator = await startSimulator()
  gateway = await givenGateway({ configuration: configuration() })
})

afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await simulator.close()
})

async function ask(given: GivenGateway, request: string): Promise<RawResponse> {
  const client = await RawClient.open(given.port)
  try {
    return await client.ask(request)
  } finally {
    client.destroy()
  }
}

describe('S20 nothing can be injected into a header', () => {
  test.each([
    ['CR', 'a\rX-Evil: 1'],
    ['LF', 'a\nX-Evil: 1'],
    ['NUL', 'a\0b'],
    ['DEL', 'a\x7fb'],
    ['CR LF', 'a\r\n X-Evil: 1'],
  ])('%s in a field of the client is refused or no part of it', async (_what, value) => {
    simulator.clear()
    const answer = await ask(
      gateway,
      `GET /plain HTTP/1.1\r\nHost: g\r\nX-Correlation: ${value}\r\n\r\n`,
    )
    expect(answer.status).toBe(400)
    expect(answer.headers.has('x-evil')).toBe(false)
    expect(simulator.requests).toHaveLength(0)
  })

  test.each(['é\xff\xa0', '%0d%0aX-Evil: 1', '"quoted", and; more', 'x'.repeat(4_000)])(
    'an id of the client that is only strange comes back as it was: %j',
    async (value) => {
      simulator.clear()
      const answer = await ask(
        gateway,
        `GET /plain/v1/models HTTP/1.1\r\nHost: g\r\nX-Correlation: ${value}\r\n\r\n`,
      )
      expect(answer.status).toBe(200)
      expect(answer.headers.get('x-correlation')).toBe(value)
      expect(answer.headers.has('x-evil')).toBe(false)
      expect(simulator.requests[0]?.header('x-correlation')).toBe(value)
    },
  )

  test('the gateway’s own request id is never the client’s word', async () => {
    const answer = await ask(
      gateway,
      'GET /nowhere HTTP/1.1\r\nHost: g\r\nX-Request-Id: mine\r\nX-Kong-Request-Id: mine\r\n\r\n',
    )
    expect(answer.headers.get('x-kong-request-id')).toMatch(/^[0-9a-f]{32}$/)
    expect(answer.headers.get('x-request-id')).toMatch(/^[0-9a-f]{32}$/)
  })
})

describe('S21 what an upstream says of the connection is not passed on', () => {
  test('hop-by-hop fields, and those it names itself', async () => {
    const fault = JSON.stringify({
      header: [
        'connection: keep-alive, x-internal',
        'x-internal: secret',
        'keep-alive: timeout=1',
        'proxy-authenticate: Basic',
        'upgrade: h2c',
        'trailer: x-sum',
        'x-kept: 1',
        'set-cookie: a=1',
        'set-cookie: b=2',
      ],
    })
    const answer = await ask(
      gateway,
      `GET /plain/v1/models HTTP/1.1\r\nHost: g\r\nx-simulator-fault: ${fault}\r\n\r\n`,
    )
    expect(answer.status).toBe(200)
    for (const name of ['x-internal', 'proxy-authenticate', 'upgrade', 'trailer']) {
      expect(answer.headers.has(name)).toBe(false)
    }
    expect(answer.headers.get('x-kept')).toBe('1')
    // On a plain service the rest is the client's, as in Kong.
    expect(answer.headers.get('set-cookie')).toBe('a=1, b=2')
    expect(answer.head.match(/^content-length:/gim)).toHaveLength(1)
  })
})

describe('S32 no cache may keep an answer of ours on AI traffic', () => {
  test.each([
    ['refused by a plugin', '/v1/chat', 401],
    ['failed upstream', '/v1/chat', 502],
    ['failed upstream, in another format', '/v1/messages', 502],
  ])('%s', async (_what, path, status) => {
    await using given = await givenGateway({
      configuration: configuration() + (status === 401 ? '- name: key-auth\n' : ''),
    })
    const answer = await fetch(given.url + path, chat({}, { 'x-simulator-fault': 'reset' }))
    expect([answer.status, answer.headers.get('cache-control')]).toEqual([status, 'no-store'])
    await answer.text()
  })

  test('what the listener refuses neither', async () => {
    const answer = await ask(gateway, 'GET /v1/../chat HTTP/1.1\r\nHost: g\r\n\r\n')
    expect([answer.status, answer.headers.get('cache-control')]).toEqual([400, 'no-store'])
  })
})

describe('S34 whose address counts', () => {
  const limited =
    (): string => `${configuration()}- {name: rate-limiting, config: {minute: 2, limit_by: ip, policy: local}}
`
  const get = (given: GivenGateway, fields: string): Promise<RawResponse> =>
    ask(given, `GET /plain/v1/models HTTP/1.1\r\nHost: g\r\n${fields}\r\n`)

  test('a peer that is not trusted cannot choose its own', async () => {
    await using given = await givenGateway({ configuration: limited() })
    await aMinuteWithRoomFor(2_000)
    const statuses: number[] = []
    for (const fields of [
      'X-Forwarded-For: 1.1.1.1\r\n',
      'X-Real-IP: 2.2.2.2\r\n',
      'Forwarded: for=3.3.3.3\r\n',
      'X-Forwarded-For: 4.4.4.4\r\nX-Real-IP: 4.4.4.4\r\n',
    ]) {
      statuses.push((await get(given, fields)).status)
    }
    expect(statuses).toEqual([200, 200, 429, 429])
  })

  test('of a trusted one the right-most address that is not trusted itself', async () => {
    await using given = await givenGateway({
      configuration: limited(),
      environment: {
        PRATU_TRUSTED_IPS: '127.0.0.0/8,10.0.0.0/8',
        PRATU_REAL_IP_HEADER: 'X-Forwarded-For',
        PRATU_REAL_IP_RECURSIVE: 'on',
      },
    })
    await aMinuteWithRoomFor(2_000)
    const statuses: number[] = []
    // What stands to the left of it is the client's own invention.
    for (const invented of ['1.1.1.1', '2.2.2.2', '3.3.3.3']) {
      const fields = `X-Forwarded-For: ${invented}, 203.0.113.7, 10.0.0.9\r\n`
      statuses.push((await get(given, fields)).status)
    }
    expect(statuses).toEqual([200, 200, 429])
    const other = await get(given, 'X-Forwarded-For: 203.0.113.8, 10.0.0.9\r\n')
    expect(other.status).toBe(200)
    expect(simulator.requests.at(-1)?.header('x-real-ip')).toBe('203.0.113.8')
  })
})
