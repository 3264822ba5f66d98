import { once } from 'node:events'
import { createServer } from 'node:http'
import { describe, expect, test } from 'vitest'
import { RawClient } from '../../packages/gateway/src/listener/testing/raw-client.ts'
import { ask, BOTH, givenUpstream } from './support.ts'

/** An upstream that tells when a request begins, long before its body has come. */
async function givenEager() {
  let begun = 0
  const server = createServer((incoming, response) => {
    begun++
    incoming.resume()
    incoming.once('end', () => response.end('ok'))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  return {
    url: `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`,
    begun: () => begun,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

describe.each(BOTH)('kong.md §2.8 buffering (%s)', (_mode, givenMode) => {
  const routes = (request_buffering: boolean) => [{ paths: ['/'], request_buffering }]
  const HEAD = 'POST / HTTP/1.1\r\nHost: gateway.test\r\nContent-Length: 8\r\n\r\n'

  test('by default the body is complete before the upstream hears of the request', async () => {
    await using eager = await givenEager()
    await using given = await givenMode({ services: [{ url: eager.url, routes: routes(true) }] })
    const client = await RawClient.open(given.port)
    client.send(`${HEAD}half`)
    // Another request goes all the way meanwhile, so there was time for this one.
    expect((await ask(given.port)).status).toBe(200)
    expect(eager.begun()).toBe(1)
    client.send('done')
    expect((await client.response()).status).toBe(200)
    expect(eager.begun()).toBe(2)
    client.destroy()
  })

  test('request_buffering: false: it goes on as it comes', async () => {
    await using eager = await givenEager()
    await using given = await givenMode({ services: [{ url: eager.url, routes: routes(false) }] })
    const client = await RawClient.open(given.port)
    client.send(`${HEAD}half`)
    await expect.poll(eager.begun, { interval: 5 }).toBe(1)
    client.send('done')
    expect((await client.response()).status).toBe(200)
    client.destroy()
  })

  test.each([true, false])(
    'response_buffering: %s: an answer reaches the client while the upstream still writes',
    async (response_buffering) => {
      let finish: () => void = () => undefined
      await using upstream = await givenUpstream((_request, response) => {
        response.writeHead(200, { 'Content-Type': 'text/plain' })
        response.write('first')
        finish = () => response.end('last')
      })
      await using given = await givenMode({
        services: [{ url: upstream.url, routes: [{ paths: ['/'], response_buffering }] }],
      })
      const client = await RawClient.open(given.port)
      client.send('GET / HTTP/1.1\r\nHost: gateway.test\r\n\r\n')
      await client.until(() => client.text.includes('first'))
      finish()
      expect((await client.response()).body.toString()).toBe('firstlast')
      client.destroy()
    },
  )
})
