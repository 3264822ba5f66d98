import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { GivenGateway } from '../gateway.ts'
import {
  ask,
  configure,
  givenKong,
  givenPratu,
  givenUpstream,
  type GivenUpstream,
} from './support.ts'

let upstream: GivenUpstream
let kong: GivenGateway
let pratu: GivenGateway

beforeAll(async () => {
  upstream = await givenUpstream()
  kong = await givenKong({})
  pratu = await givenPratu({})
})
afterAll(async () => {
  await kong[Symbol.asyncDispose]()
  await pratu[Symbol.asyncDispose]()
  await upstream[Symbol.asyncDispose]()
})

/** `null` as the route's path: it matches by host. */
async function upstreamPath(
  given: GivenGateway,
  service: string | null,
  route: string | null,
  path: string,
  fields: object,
): Promise<string> {
  const answer = await configure(given, {
    services: [
      {
        host: '127.0.0.1',
        port: upstream.port,
        path: service,
        routes: [
          { ...(route === null ? { hosts: ['gateway.test'] } : { paths: [route] }), ...fields },
        ],
      },
    ],
  })
  if (answer.status !== 201) throw new Error(answer.text)
  const { status } = await ask(given.port, { path })
  return status === 200 ? upstream.last.target : String(status)
}

describe('kong.md §2.7 the path that the upstream is asked for', () => {
  // number, service.path, route path, request path, strip_path: true, strip_path: false
  const TABLE: readonly (readonly [
    number,
    string | null,
    string | null,
    string,
    string,
    string,
  ])[] = [
    [1, '/', '/a', '/a', '/', '/a'],
    [2, '/', '/a', '/a/', '/', '/a/'],
    [4, '/', '/a', '/a/b', '/b', '/a/b'],
    [5, null, '/a', '/a/b', '/b', '/a/b'],
    [6, '/', '/', '/', '/', '/'],
    [7, '/', '/', '/x', '/x', '/x'],
    [9, '/svc', '/', '/x', '/svc/x', '/svc/x'],
    [10, '/svc', '/', '/x/', '/svc/x/', '/svc/x/'],
    [11, '/svc', '/a', '/a', '/svc', '/svc/a'],
    [13, '/svc', '/a', '/abc', '/svc/bc', '/svc/abc'],
    [14, '/svc', '/a', '/a/b', '/svc/b', '/svc/a/b'],
    [15, '/svc', '/a', '/a/b/', '/svc/b/', '/svc/a/b/'],
    [17, '/svc/', '/a', '/a/', '/svc/', '/svc/a/'],
    [19, '/svc/', '/a', '/a/b', '/svc/b', '/svc/a/b'],
    [20, '/svc', '/a/', '/a/', '/svc/', '/svc/a/'],
    [22, '/svc', '/a/', '/a', '404', '404'],
    [24, '/svc/', '/a/', '/a/b', '/svc/b', '/svc/a/b'],
    [25, '/svc', null, '/', '/svc', '/svc'],
    [26, '/svc', null, '/x', '/svc/x', '/svc/x'],
    [28, '/', null, '/x/y', '/x/y', '/x/y'],
    [
      29,
      '/v1',
      '/openai',
      '/openai/chat/completions',
      '/v1/chat/completions',
      '/v1/openai/chat/completions',
    ],
    [
      30,
      '/v1/',
      '/openai',
      '/openai/chat/completions',
      '/v1/chat/completions',
      '/v1/openai/chat/completions',
    ],
    [
      31,
      '/v1/chat/completions',
      '/llm',
      '/llm',
      '/v1/chat/completions',
      '/v1/chat/completions/llm',
    ],
    [
      33,
      '/v1/chat/completions',
      '~/llm$',
      '/llm',
      '/v1/chat/completions',
      '/v1/chat/completions/llm',
    ],
    [34, '/svc', '~/v\\d+', '/v2/items', '/svc/items', '/svc/v2/items'],
    [37, '/', '~/(?<ver>v\\d+)/x', '/v3/x/y', '/y', '/v3/x/y'],
    [39, '/svc', '/a', '/a/./b', '/svc/b', '/svc/a/b'],
    [42, '/svc', '/a', '/%61/b', '/svc/b', '/svc/a/b'],
  ]

  test.each(TABLE)(
    'row %i: service %s, route %s, request %s: %s stripped, %s not',
    async (_row, service, route, path, stripped, kept) => {
      for (const path_handling of ['v0', 'v1']) {
        // v1 is ignored by the default flavour of the router.
        const fields = { path_handling }
        expect(
          await upstreamPath(kong, service, route, path, { ...fields, strip_path: true }),
        ).toBe(stripped)
        expect(
          await upstreamPath(kong, service, route, path, { ...fields, strip_path: false }),
        ).toBe(kept)
      }
    },
  )

  test.each([
    ['/a/../x', '/svc/x', 'after stripping nothing climbs'],
    ['/a..', '/svc', 'dots laid bare are no segment'],
    ['/a../x', '/svc/x', 'nor before a slash'],
    ['/a./x', '/svc/x', 'a single one neither'],
  ])('%s stripped of /a: %s, %s', async (path, expected) => {
    // The first one is outside of the route once it is normalised.
    const route = path === '/a/../x' ? '/' : '/a'
    expect(await upstreamPath(kong, '/svc', route, path, {})).toBe(expected)
  })

  test('what may not stand in a target is escaped, escapes stay', async () => {
    expect(await upstreamPath(kong, '/svc', '/a', '/a/%20"<>^`{|}%C3%A9%2F', {})).toBe(
      '/svc/%20%22%3C%3E%5E%60%7B%7C%7D%C3%A9%2F',
    )
  })

  test.each(['?', '?a', '?a=1&b=%20+&&c', '?/a/../b'])(
    'the query is appended as it came: %s',
    async (query) => {
      expect(await upstreamPath(kong, '/svc', '/a', `/a/b${query}`, {})).toBe(`/svc/b${query}`)
    },
  )
})

describe('architecture §4 AI services without strip_path get their path once', () => {
  const S = '/v1/chat/completions'

  test.each([
    ['/v1/chat', S, `${S}/v1/chat`],
    [S, S, S + S],
    [`${S}/more`, `${S}/more`, `${S}${S}/more`],
    ['/v1/other', `${S}/v1/other`, `${S}/v1/other`],
  ])('%s: %s, under compatibility: kong %s', async (path, ours, kongs) => {
    const fields = { strip_path: false }
    expect(await upstreamPath(pratu, S, '/v1', path, fields)).toBe(ours)
    expect(await upstreamPath(kong, S, '/v1', path, fields)).toBe(kongs)
  })

  test('plain services and stripping routes follow Kong’s rule in both', async () => {
    for (const given of [pratu, kong]) {
      expect(await upstreamPath(given, '/svc', '/svc', '/svc/x', { strip_path: false })).toBe(
        '/svc/svc/x',
      )
      expect(await upstreamPath(given, S, '/v1/chat', '/v1/chat/x', {})).toBe(`${S}/x`)
    }
  })
})
