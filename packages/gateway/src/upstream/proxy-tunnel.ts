import type { Socket } from 'node:net'
import type { Secret } from '../config/index.ts'
import { UpstreamFault } from './fault.ts'

/** A proxy's answer to CONNECT has no reason to be longer. */
const MAX_ANSWER_BYTES = 16_384
const END_OF_HEAD = '\r\n\r\n'

/**
 * Asks the proxy at the other end of `socket` for a tunnel (RFC 9110 §9.3.6).
 *
 * @param authority `host:port` of the destination.
 * @param callback exactly once; never after the socket was destroyed by the caller. Without an error the socket speaks
 *   to the destination, and nothing of its bytes was consumed.
 */
export function openTunnel(
  socket: Socket,
  authority: string,
  authorization: Secret | undefined,
  callback: (error: UpstreamFault | undefined) => void,
): void {
  let received: Buffer = Buffer.alloc(0)
  const finish = (error: UpstreamFault | undefined): void => {
    socket.off('data', onData)
    socket.off('end', onEnd)
    socket.pause()
    callback(error)
  }
  const onEnd = (): void => {
    finish(
      new UpstreamFault('upstream_unreachable', 'the proxy closed the connection during CONNECT'),
    )
  }
  const onData = (chunk: Buffer): void => {
    received = received.length === 0 ? chunk : Buffer.concat([received, chunk])
    const end = received.indexOf(END_OF_HEAD)
    if (end === -1) {
      if (received.length <= MAX_ANSWER_BYTES) return
      finish(new UpstreamFault('upstream_unreachable', "the proxy's answer to CONNECT has no end"))
      return
    }
    const status = statusOf(received)
    if (status < 200 || status > 299) {
      finish(new UpstreamFault('upstream_unreachable', refusal(status)))
      return
    }
    const rest = received.subarray(end + END_OF_HEAD.length)
    finish(undefined)
    if (rest.length > 0) socket.unshift(rest)
  }
  socket.on('data', onData)
  socket.on('end', onEnd)
  const credentials =
    authorization === undefined ? '' : `Proxy-Authorization: ${authorization.reveal()}\r\n`
  socket.write(
    `CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n${credentials}${END_OF_HEAD.slice(2)}`,
    'latin1',
  )
}

function statusOf(answer: Buffer): number {
  const match = /^HTTP\/1\.[01] (\d{3})/.exec(answer.toString('latin1', 0, 32))
  return match === null ? 0 : Number(match[1])
}

function refusal(status: number): string {
  if (status === 0) return 'the proxy answered CONNECT with something that is not HTTP'
  const hint = status === 407 ? ': it asks for credentials, or refuses those of its URL' : ''
  return `the proxy answered CONNECT with status ${status}${hint}`
}
