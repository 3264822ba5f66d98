/** A TCP proxy that delays what passes, or leads each connection elsewhere. */
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

export interface ChaosProxy extends AsyncDisposable {
  readonly port: number
  /** Delay of what the server sends, per chunk, ms; order is kept. */
  delay: () => number
}

/** @param ports one per connection, by turns. */
export async function startChaosProxy(ports: readonly number[]): Promise<ChaosProxy> {
  const sockets = new Set<Socket>()
  let connections = 0
  const proxy = { delay: () => 0 }
  const server = createServer((client) => {
    const upstream = connect(ports[connections++ % ports.length] ?? 0, '127.0.0.1')
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.setNoDelay(true)
      socket.on('error', () => undefined)
      socket.on('close', () => {
        sockets.delete(socket)
        client.destroy()
        upstream.destroy()
      })
    }
    client.pipe(upstream)
    let passedAtMs = 0
    const waiting: Buffer[] = []
    upstream.on('data', (chunk) => {
      passedAtMs = Math.max(passedAtMs, performance.now() + proxy.delay())
      waiting.push(chunk)
      // Timers of different lengths may overtake each other by a millisecond; what they send does not.
      setTimeout(
        () => {
          const next = waiting.shift()
          if (next !== undefined) client.write(next)
        },
        Math.max(0, passedAtMs - performance.now()),
      )
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return Object.assign(proxy, {
    port: address.port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  })
}
