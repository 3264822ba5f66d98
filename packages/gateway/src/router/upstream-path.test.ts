import { describe, expect, test } from 'vitest'
import { normalisePath } from '../http/index.ts'
import { createRouter, upstreamPath } from './index.ts'
import { HeaderList } from '../http/index.ts'
import { makeRoute, routeId } from './testing/make-route.ts'

const NO_PATH = '(host match)'
const NO_MATCH = '(no match)'

/** From the raw path of a request to the path that the upstream is asked for. */
function proxiedPath(
  servicePath: string | undefined,
  routePath: string,
  rawPath: string,
  stripPath: boolean,
  pathHandling: 'v0' | 'v1',
): string {
  const fields = routePath === NO_PATH ? { hosts: ['h'] } : { paths: [routePath] }
  const router = createRouter([{ route: makeRoute(routeId(1), fields), value: 0 }])
  const path = normalisePath(rawPath, 'kong') ?? ''
  const headers = new HeaderList()
  const match = router.match({ method: 'GET', host: 'h', path, scheme: 'http', port: 80, headers })
  if (match === undefined) return NO_MATCH
  return upstreamPath({
    servicePath,
    requestPath: path,
    matchedPath: match.matchedPath,
    stripPath,
    pathHandling,
    doubling: false,
  })
}

describe('kong.md §2.7 upstream path', () => {
  // service path, route path, request path, then strip v0, keep v0, strip v1, keep v1.
  test.each([
    [1, '/', '/a', '/a', '/', '/a', '/', '/a'],
    [2, '/', '/a', '/a/', '/', '/a/', '/', '/a/'],
    [4, '/', '/a', '/a/b', '/b', '/a/b', '/b', '/a/b'],
    [5, undefined, '/a', '/a/b', '/b', '/a/b', '/b', '/a/b'],
    [6, '/', '/', '/', '/', '/', '/', '/'],
    [7, '/', '/', '/x', '/x', '/x', '/x', '/x'],
    [9, '/svc', '/', '/x', '/svc/x', '/svc/x', '/svcx', '/svcx'],
    [10, '/svc', '/', '/x/', '/svc/x/', '/svc/x/', '/svcx/', '/svcx/'],
    [11, '/svc', '/a', '/a', '/svc', '/svc/a', '/svc', '/svca'],
    [13, '/svc', '/a', '/abc', '/svc/bc', '/svc/abc', '/svcbc', '/svcabc'],
    [14, '/svc', '/a', '/a/b', '/svc/b', '/svc/a/b', '/svc/b', '/svca/b'],
    [15, '/svc', '/a', '/a/b/', '/svc/b/', '/svc/a/b/', '/svc/b/', '/svca/b/'],
    [17, '/svc/', '/a', '/a/', '/svc/', '/svc/a/', '/svc/', '/svc/a/'],
    [19, '/svc/', '/a', '/a/b', '/svc/b', '/svc/a/b', '/svc/b', '/svc/a/b'],
    [20, '/svc', '/a/', '/a/', '/svc/', '/svc/a/', '/svc', '/svca/'],
    [22, '/svc', '/a/', '/a', NO_MATCH, NO_MATCH, NO_MATCH, NO_MATCH],
    [24, '/svc/', '/a/', '/a/b', '/svc/b', '/svc/a/b', '/svc/b', '/svc/a/b'],
    [25, '/svc', NO_PATH, '/', '/svc', '/svc', '/svc', '/svc'],
    [26, '/svc', NO_PATH, '/x', '/svc/x', '/svc/x', '/svcx', '/svcx'],
    [28, '/', NO_PATH, '/x/y', '/x/y', '/x/y', '/x/y', '/x/y'],
    [
      29,
      '/v1',
      '/openai',
      '/openai/chat/completions',
      '/v1/chat/completions',
      '/v1/openai/chat/completions',
      '/v1/chat/completions',
      '/v1openai/chat/completions',
    ],
    [
      30,
      '/v1/',
      '/openai',
      '/openai/chat/completions',
      '/v1/chat/completions',
      '/v1/openai/chat/completions',
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
      '/v1/chat/completions',
      '/v1/chat/completionsllm',
    ],
    [
      33,
      '/v1/chat/completions',
      '~/llm$',
      '/llm',
      '/v1/chat/completions',
      '/v1/chat/completions/llm',
      '/v1/chat/completions',
      '/v1/chat/completionsllm',
    ],
    [
      34,
      '/svc',
      '~/v\\d+',
      '/v2/items',
      '/svc/items',
      '/svc/v2/items',
      '/svc/items',
      '/svcv2/items',
    ],
    [37, '/', '~/(?<ver>v\\d+)/x', '/v3/x/y', '/y', '/v3/x/y', '/y', '/v3/x/y'],
    [39, '/svc', '/a', '/a/./b', '/svc/b', '/svc/a/b', '/svc/b', '/svca/b'],
    [42, '/svc', '/a', '/%61/b', '/svc/b', '/svc/a/b', '/svc/b', '/svca/b'],
  ] as const)(
    'row %i: service %s, route %s, request %s',
    (_row, service, route, path, ...expected) => {
      expect([
        proxiedPath(service, route, path, true, 'v0'),
        proxiedPath(service, route, path, false, 'v0'),
        proxiedPath(service, route, path, true, 'v1'),
        proxiedPath(service, route, path, false, 'v1'),
      ]).toEqual(expected)
    },
  )

  test('with a service path that ends in a slash an emptied path keeps or drops it like the request', () => {
    expect(proxiedPath('/svc/', '/a', '/a', true, 'v0')).toBe('/svc')
    expect(proxiedPath('/svc/', '/a/', '/a/', true, 'v0')).toBe('/svc/')
  })

  test('a dot segment that only stripping laid bare is cut once', () => {
    expect(proxiedPath('/svc', '/a', '/a..', true, 'v0')).toBe('/svc')
    expect(proxiedPath('/svc', '/a', '/a.', true, 'v0')).toBe('/svc')
    expect(proxiedPath('/svc', '/a', '/a../b', true, 'v0')).toBe('/svc/b')
    expect(proxiedPath('/svc', '/a', '/a./b', true, 'v0')).toBe('/svc/b')
    expect(proxiedPath('/svc', '/a', '/a.b', true, 'v0')).toBe('/svc/.b')
  })

  test('what may not stand in a request target is escaped, escapes stay', () => {
    expect(proxiedPath('/', '/', '/a%20b%3F%2fc', true, 'v0')).toBe('/a%20b%3F%2Fc')
    expect(proxiedPath('/', '/', '/%E0%B8%9B', true, 'v0')).toBe('/%E0%B8%9B')
    expect(proxiedPath('/', '/', '/%ff%22%5c', true, 'v0')).toBe('/%FF%22%5C')
    expect(proxiedPath('/', '/', "/!#$&'()*+,:;=@[]-_.~", true, 'v0')).toBe("/!#$&'()*+,:;=@[]-_.~")
  })
})

describe('architecture §4 a path is not doubled on AI services', () => {
  const service = '/v1/chat/completions'
  const ask = (
    servicePath: string,
    requestPath: string,
    stripPath = false,
    doubling = true,
  ): string =>
    upstreamPath({
      servicePath,
      requestPath,
      matchedPath: '/v1/chat',
      stripPath,
      pathHandling: 'v0',
      doubling,
    })

  test.each([
    [service, '/v1/chat', '/v1/chat/completions'],
    [service, '/v1/chat/completions', '/v1/chat/completions'],
    [service, '/v1/chat/completions/x', '/v1/chat/completions/x'],
    [service, '/v1/chat/', '/v1/chat/completions'],
    [service, '/v1/chat/completions/', '/v1/chat/completions/'],
    [service, '/v1/chat/complete', '/v1/chat/completions/v1/chat/complete'],
    [service, '/v1/chatter', '/v1/chat/completions/v1/chatter'],
    [service, '/v1/chat/completionsx', '/v1/chat/completions/v1/chat/completionsx'],
    [service, '/', '/v1/chat/completions'],
    ['/v1/chat/completions/', '/v1/chat', '/v1/chat/completions/'],
    ['/v1/chat/completions/', '/v1/chat/completions', '/v1/chat/completions'],
    ['/v1/chat/completions/', '/v1/chat/completions/x', '/v1/chat/completions/x'],
    ['/v1', '/v1/chat', '/v1/chat'],
    ['/', '/v1/chat', '/v1/chat'],
  ])('service %s, request %s: %s', (servicePath, path, expected) => {
    expect(ask(servicePath, path)).toBe(expected)
  })

  test('Kong doubles it, and so do we under `compatibility: kong`', () => {
    expect(ask(service, '/v1/chat', false, false)).toBe('/v1/chat/completions/v1/chat')
    expect(ask(service, service, false, false)).toBe(`${service}${service}`)
  })

  test('with strip_path the rule changes nothing', () => {
    for (const path of ['/v1/chat', '/v1/chat/completions', '/v1/chat/x']) {
      expect(ask(service, path, true, true)).toBe(ask(service, path, true, false))
    }
  })
})
