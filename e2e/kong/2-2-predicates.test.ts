import { describe, expect, test } from 'vitest'
import { ask, type Asked, configure, refusals, shareKong } from './support.ts'

const { upstream, given } = await shareKong()

type Row = readonly [what: string, route: object, asked: Asked, status: 200 | 404 | 426]

/** One route each, so that its fields alone decide. */
function matches(rows: readonly Row[]): void {
  test.each(rows)('%s', async (_what, route, asked, status) => {
    const answer = await configure(given, { services: [{ url: upstream.url, routes: [route] }] })
    expect(answer.status).toBe(201)
    expect((await ask(given.port, asked)).status).toBe(status)
  })
}

const HOST = (host: string): Asked => ({ host })
const PATH = (path: string): Asked => ({ path })

describe('kong.md §2.2 hosts', () => {
  matches([
    ['an exact host', { hosts: ['a.test'] }, HOST('a.test'), 200],
    ['another host', { hosts: ['a.test'] }, HOST('b.a.test'), 404],
    ['any of several', { hosts: ['b.test', 'a.test'] }, HOST('a.test'), 200],
    ['*.a.test: one label', { hosts: ['*.a.test'] }, HOST('x.a.test'), 200],
    ['*.a.test: any depth', { hosts: ['*.a.test'] }, HOST('x.y.z.a.test'), 200],
    ['*.a.test: not a.test itself', { hosts: ['*.a.test'] }, HOST('a.test'), 404],
    ['*.a.test: not xa.test', { hosts: ['*.a.test'] }, HOST('xa.test'), 404],
    ['a.*: any ending', { hosts: ['a.*'] }, HOST('a.b.test'), 200],
    ['a.*: not a alone', { hosts: ['a.*'] }, HOST('a'), 404],
    ['a wildcard with a port', { hosts: ['*.a.test:81'] }, HOST('x.a.test:81'), 200],
    ['a wildcard with another port', { hosts: ['*.a.test:81'] }, HOST('x.a.test:82'), 404],
    ['a host without port takes any', { hosts: ['a.test'] }, HOST('a.test:82'), 200],
  ])
})

describe('kong.md §2.2 methods and paths', () => {
  const BOTH = { methods: ['PUT', 'POST'], paths: ['/a'] }
  matches([
    ['a method of the list', BOTH, { method: 'POST', path: '/a' }, 200],
    ['another method', BOTH, { method: 'GET', path: '/a' }, 404],
    ['the method without the path', BOTH, { method: 'POST', path: '/b' }, 404],
    ['a path is a prefix', { paths: ['/ai'] }, PATH('/ai/x'), 200],
    ['of text, not of segments', { paths: ['/ai'] }, PATH('/airplane'), 200],
    ['and not the other way round', { paths: ['/ai/'] }, PATH('/ai'), 404],
    ['case counts', { paths: ['/ai'] }, PATH('/AI'), 404],
    ['a route without paths takes any', { methods: ['GET'] }, PATH('/whatever/x'), 200],
  ])
})

describe('kong.md §2.2 patterns', () => {
  const VERSION = { paths: ['~/v\\d+/(?<name>[a-z]+)'] }
  matches([
    ['anchored at the start', VERSION, PATH('/v12/abc'), 200],
    ['and only there', VERSION, PATH('/v1/abc/more'), 200],
    ['not found in the middle', VERSION, PATH('/x/v1/abc'), 404],
    ['$ anchors the end', { paths: ['~/a$'] }, PATH('/a/b'), 404],
    ['against the normalised path', { paths: ['~/a b$'] }, PATH('/a%20b'), 200],
    ['case counts', VERSION, PATH('/v1/ABC'), 404],
    ['(?i) says otherwise', { paths: ['~/(?i)abc$'] }, PATH('/ABC'), 200],
  ])

  test.each(['~/a(?=b)', '~/a(?!b)', '~/(?<=a)b', '~/(a)\\1', '~/(?>a)'])(
    'what the engine lacks is refused: %s',
    async (path) => {
      const [error] = await refusals(given, { routes: [{ paths: [path] }] })
      expect(error).toContain(`routes.1.paths.1: invalid regex: '${path.slice(1)}'`)
    },
  )

  test('groups are captures for plugins: 0 the whole, numbered, named; both spellings of a name', async () => {
    await configure(given, {
      services: [
        {
          url: upstream.url,
          routes: [{ paths: ['~/v(\\d+)/(?<model>[^/]+)/(?P<op>[a-z]+)'] }],
        },
      ],
      plugins: [
        {
          name: 'request-transformer',
          config: {
            add: {
              headers: [
                'X-0:$(uri_captures[0])',
                'X-1:$(uri_captures[1])',
                'X-2:$(uri_captures[2])',
                'X-Model:$(uri_captures.model)',
                'X-Op:$(uri_captures.op)',
              ],
            },
          },
        },
      ],
    })
    await ask(given.port, { path: '/v1/gpt-4/chat/rest' })
    const seen = ['x-0', 'x-1', 'x-2', 'x-model', 'x-op'].map((name) =>
      upstream.last.headers.get(name),
    )
    expect(seen).toEqual(['/v1/gpt-4/chat', '1', 'gpt-4', 'gpt-4', 'chat'])
  })
})

describe('kong.md §2.2 headers', () => {
  const TENANT = { headers: { 'X-Tenant': ['One', 'two'] } }
  const TWO = { headers: { a: ['1'], b: ['2'] } }
  const FIELDS = (headers: Asked['headers']): Asked => (headers === undefined ? {} : { headers })
  matches([
    ['a listed value', TENANT, FIELDS({ 'X-Tenant': 'two' }), 200],
    ['in any case of name and value', TENANT, FIELDS({ 'x-tenANT': 'oNE' }), 200],
    ['another value', TENANT, FIELDS({ 'X-Tenant': 'three' }), 404],
    ['part of a value', TENANT, FIELDS({ 'X-Tenant': 'two2' }), 404],
    [
      'any of a repeated field',
      TENANT,
      FIELDS([
        ['X-Tenant', 'three'],
        ['X-Tenant', 'two'],
      ]),
      200,
    ],
    ['no such field', TENANT, {}, 404],
    ['- and _ are alike', TENANT, FIELDS({ X_Tenant: 'two' }), 200],
    ['all names must match', TWO, FIELDS({ a: '1', b: '2' }), 200],
    ['one alone does not', TWO, FIELDS({ a: '1' }), 404],
    ['~* is a pattern', { headers: { a: ['~*^v[0-9]+$'] } }, FIELDS({ a: 'V12' }), 200],
    ['found anywhere', { headers: { a: ['~*mid'] } }, FIELDS({ a: 'in the middle' }), 200],
    ['in lower case itself: \\D is \\d', { headers: { a: ['~*^\\D$'] } }, FIELDS({ a: '1' }), 200],
    ['so it takes no letter', { headers: { a: ['~*^\\D$'] } }, FIELDS({ a: 'x' }), 404],
  ])
})

describe('kong.md §2.2 server names and protocols', () => {
  matches([
    ['snis do not count on plain HTTP', { paths: ['/'], snis: ['a.test'] }, {}, 200],
    ['protocols are checked after the match', { paths: ['/'], protocols: ['https'] }, {}, 426],
  ])

  test('so a stronger route for https only shadows a weaker one for http', async () => {
    await configure(given, {
      services: [
        {
          url: upstream.url,
          routes: [
            { paths: ['/a/b'], protocols: ['https'] },
            { paths: ['/a'], protocols: ['http'] },
          ],
        },
      ],
    })
    expect((await ask(given.port, { path: '/a/b' })).status).toBe(426)
    expect((await ask(given.port, { path: '/a/c' })).status).toBe(200)
  })
})
