import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { ask, type Asked, configure, shareKong } from './support.ts'

const { upstream, given } = await shareKong()

/** Routes by name, each with a service of its own whose path is that name. */
async function routed(routes: Readonly<Record<string, object>>, asked: Asked): Promise<string> {
  const answer = await configure(given, {
    services: Object.entries(routes).map(([name, route]) => ({
      name,
      url: `${upstream.url}/${name}`,
      routes: [{ name, ...route }],
    })),
  })
  if (answer.status !== 201) throw new Error(answer.text)
  const { status } = await ask(given.port, asked)
  return status === 200 ? (upstream.last.target.split('/')[1] ?? '') : String(status)
}

describe('kong.md §2.3 a route of several paths', () => {
  const MIXED = { mixed: { paths: ['/a', '/a/b/c/d', '~/a/b/\\d'] }, single: { paths: ['/a/b'] } }

  test.each([
    ['/a/x', 'mixed'],
    ['/a/b/x', 'single'],
    ['/a/b/c/d/x', 'mixed'],
    ['/a/b/7', 'mixed'],
  ])(
    'each length, and all patterns together, rank on their own: %s goes to %s',
    async (path, name) => {
      expect(await routed(MIXED, { path })).toBe(name)
    },
  )

  test('what is stripped is the path that matched', async () => {
    await routed(MIXED, { path: '/a/b/c/d/x' })
    expect(upstream.last.target).toBe('/mixed/x')
    await routed(MIXED, { path: '/a/b/7/x' })
    expect(upstream.last.target).toBe('/mixed/x')
  })

  test('parts tie by ids derived from the place of their group', async () => {
    const id = (n: number): string => {
      const digest = createHash('sha1')
        .update(Buffer.from('7f145bf90dce4f9198ebdebbce4b9f6b', 'hex'))
        .update(`${BASE}#${n}`)
        .digest()
      digest[6] = ((digest[6] ?? 0) & 0x0f) | 0x50
      digest[8] = ((digest[8] ?? 0) & 0x3f) | 0x80
      return digest.toString('hex', 0, 16)
    }
    const BASE = '66666666-6666-4666-8666-666666666666'
    // The second group, paths of length 4, competes with a route whose own id lies just above or below.
    const derived = id(2)
    const dashed = (hex: string): string =>
      `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
    const step = (by: number): string =>
      dashed((BigInt(`0x${derived}`) + BigInt(by)).toString(16).padStart(32, '0'))
    const split = { id: BASE, paths: ['/long/one', '/two'] }
    expect(await routed({ split, other: { id: step(1), paths: ['/two'] } }, { path: '/two' })).toBe(
      'other',
    )
    expect(
      await routed({ split, other: { id: step(-1), paths: ['/two'] } }, { path: '/two' }),
    ).toBe('split')
  })
})

describe('kong.md §2.4 which route wins', () => {
  const GET_A: Asked = { path: '/a/b', host: 'a.test', headers: { x: '1', y: '2' } }

  test.each([
    [
      'more categories win over a longer path',
      { few: { paths: ['/a/b'] }, many: { paths: ['/a'], methods: ['GET'] } },
      'many',
    ],
    [
      'each of methods, hosts, headers, paths, snis counts once',
      {
        two: { hosts: ['a.test'], headers: { x: ['1'], y: ['2'] } },
        three: { hosts: ['a.test'], methods: ['GET'], paths: ['/'] },
      },
      'three',
    ],
    [
      'plain hosts win over wildcards',
      { wild: { hosts: ['a.*'], paths: ['/a/b'] }, plain: { hosts: ['a.test'], paths: ['/'] } },
      'plain',
    ],
    [
      'one wildcard among plain hosts is a wildcard',
      {
        mixed: { hosts: ['a.test', 'b.*'], paths: ['/a/b'] },
        plain: { hosts: ['a.test'], paths: ['/'] },
      },
      'plain',
    ],
    [
      'more header names win over a longer path',
      {
        one: { headers: { x: ['1'] }, paths: ['/a/b'] },
        two: { headers: { x: ['1'], y: ['2'] }, paths: ['/'] },
      },
      'two',
    ],
    [
      'a pattern wins over any plain path, whatever its length',
      { plain: { paths: ['/a/b'] }, pattern: { paths: ['~/a'] } },
      'pattern',
    ],
    [
      'between patterns the higher regex_priority wins',
      {
        low: { paths: ['~/a/b'], regex_priority: 1 },
        high: { paths: ['~/a'], regex_priority: 2 },
      },
      'high',
    ],
    [
      'regex_priority means nothing for plain paths',
      { short: { paths: ['/a'], regex_priority: 9 }, long: { paths: ['/a/b'] } },
      'long',
    ],
    ['the longer plain path wins', { short: { paths: ['/a'] }, long: { paths: ['/a/b'] } }, 'long'],
    [
      'a tie goes to the larger id, not to the first',
      {
        small: { id: '11111111-1111-4111-8111-111111111111', paths: ['/a'] },
        large: { id: '22222222-2222-4222-8222-222222222222', paths: ['/a'] },
      },
      'large',
    ],
    [
      'whatever their order',
      {
        large: { id: '22222222-2222-4222-8222-222222222222', paths: ['/a'] },
        small: { id: '11111111-1111-4111-8111-111111111111', paths: ['/a'] },
      },
      'large',
    ],
    [
      'the stronger route is passed over when it does not match in full',
      {
        strong: { paths: ['/a'], methods: ['POST'], hosts: ['a.test'] },
        weak: { paths: ['/a'] },
      },
      'weak',
    ],
  ] as const)('%s', async (_name, routes, winner) => {
    expect(await routed(routes, GET_A)).toBe(winner)
  })
})
