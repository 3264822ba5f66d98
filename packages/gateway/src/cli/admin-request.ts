import { request as requestHttp, type IncomingMessage } from 'node:http'
import { request as requestHttps } from 'node:https'

/** What an admin API answered. */
export interface AdminAnswer {
  readonly status: number
  /** Parsed JSON; `undefined` when it is none. */
  readonly body: unknown
}

/** A gateway that does not answer by then is not well. */
const ANSWER_MS = 10_000

/**
 * Asks a gateway's admin API.
 *
 * @throws {Error} when there is no answer.
 */
export async function askAdmin(
  method: string,
  url: URL,
  token: string | undefined,
): Promise<AdminAnswer> {
  const request = url.protocol === 'https:' ? requestHttps : requestHttp
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    request(url, {
      method,
      headers: token === undefined || token === '' ? {} : { 'Kong-Admin-Token': token },
      signal: AbortSignal.timeout(ANSWER_MS),
    })
      .on('response', resolve)
      .on('error', reject)
      .end()
  })
  const chunks: Buffer[] = []
  for await (const chunk of answer) if (chunk instanceof Buffer) chunks.push(chunk)
  return { status: answer.statusCode ?? 0, body: parsed(Buffer.concat(chunks).toString('utf8')) }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
