import { expect, test } from 'vitest'
import { chat, givenGateway, type GivenGateway } from './gateway.ts'

/** Whoever may ask for these needs no key: probes, and an empty scrape. */
const PUBLIC: readonly string[] = ['/health', '/livez', '/readyz', '/metrics']

const CONFIGURATION = {
  _format_version: '3.0',
  services: [
    {
      name: 'chat',
      url: 'http://127.0.0.1:9/v1/chat/completions',
      routes: [
        { name: 'chat', paths: ['/v1/chat'], strip_path: false },
        { name: 'pattern', paths: ['~/v\\d+/models$'] },
        { name: 'by-method', paths: ['/put'], methods: ['PUT'] },
      ],
    },
    {
      name: 'plain',
      url: 'http://127.0.0.1:9',
      routes: [{ name: 'plain', paths: ['/plain', '/other'] }],
    },
  ],
  routes: [{ name: 'no-service', paths: ['/no-service'] }],
  consumers: [{ username: 'ann', keyauth_credentials: [{ key: 'ann-key' }] }],
  plugins: [{ name: 'key-auth' }],
}

interface ListedRoute {
  readonly name: string
  readonly paths: readonly string[]
  readonly methods: readonly string[] | null
}

/** The routes as the running gateway has them. */
async function routesOf({ adminUrl }: GivenGateway): Promise<readonly ListedRoute[]> {
  const answer = await fetch(`${adminUrl}/routes?size=1000`)
  const { data } = (await answer.json()) as { data: ListedRoute[] }
  return data
}

/** A path that the pattern or prefix matches. */
const pathFor = (path: string): string => (path.startsWith('~') ? '/v1/models' : path)

test('S07 every route of the running gateway asks for a key; only the public list does not', async () => {
  await using given = await givenGateway({ configuration: JSON.stringify(CONFIGURATION) })
  const routes = await routesOf(given)
  expect(routes.length).toBe(5)
  const asked: (readonly [name: string, status: number])[] = []
  for (const { name, paths, methods } of routes) {
    for (const path of paths) {
      const init = methods === null ? chat() : { method: methods[0] ?? 'GET' }
      const { status } = await fetch(given.url + pathFor(path), init)
      asked.push([`${name} ${path}`, status])
    }
  }
  expect(asked.filter(([, status]) => status !== 401)).toEqual([])
  expect(asked).toHaveLength(6)

  for (const path of PUBLIC) expect((await fetch(given.url + path)).status).toBe(200)
})

test('S07 aliases that other gateways leave open are no routes here', async () => {
  await using given = await givenGateway({ configuration: JSON.stringify(CONFIGURATION) })
  for (const path of ['/v1/proxy/chat/completions', '/v1/proxy', '/', '/config', '/services'])
    expect([path, (await fetch(given.url + path, chat())).status]).toEqual([path, 404])
})
