import { request } from 'node:http'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { chat, givenGateway, type GivenGateway } from '../gateway.ts'

const configuration = (top = ''): string => `_format_version: "3.0"
${top}
services:
- {name: openai, url: "http://127.0.0.1:1/v1/chat/completions", retries: 0, routes: [{name: openai, paths: [/openai]}]}
- {name: responses, url: "http://127.0.0.1:1/v1/responses", retries: 0, routes: [{name: responses, paths: [/responses]}]}
- {name: claude, url: "http://127.0.0.1:1/v1/messages", retries: 0, routes: [{name: claude, paths: [/claude]}]}
- {name: gemini, url: "http://127.0.0.1:1/v1beta/models/g:generateContent", retries: 0, routes: [{name: gemini, paths: [/gemini]}]}
- {name: told, url: "http://127.0.0.1:1/anything", ai_format: anthropic-messages, retries: 0, routes: [{name: told, paths: [/told]}]}
- {name: plain, url: "http://127.0.0.1:1/anything", retries: 0, routes: [{name: plain, paths: [/plain]}]}
plugins:
- {name: key-auth, route: openai}
- {name: key-auth, route: claude}
- {name: key-auth, route: gemini}
`

let pratu: GivenGateway
let kong: GivenGateway

beforeAll(async () => {
  pratu = await givenGateway({ configuration: configuration() })
  kong = await givenGateway({ configuration: configuration('compatibility: kong') })
})

afterAll(async () => {
  await pratu[Symbol.asyncDispose]()
  await kong[Symbol.asyncDispose]()
})

const ID = expect.stringMatching(/^[0-9a-f]{32}$/) as string
const BAD_GATEWAY = 'An invalid response was received from the upstream server'
const NO_KEY = 'No API key found in request'

describe('architecture §7 errors are in the words of the client’s library', () => {
  test.each([
    [
      'OpenAI and Kong in one, by a plugin',
      '/openai',
      401,
      {
        message: NO_KEY,
        request_id: ID,
        error: {
          message: NO_KEY,
          type: 'authentication_error',
          code: 'missing_api_key',
          param: null,
        },
      },
    ],
    [
      'OpenAI’s Responses',
      '/responses',
      502,
      {
        message: BAD_GATEWAY,
        request_id: ID,
        error: {
          message: BAD_GATEWAY,
          type: 'server_error',
          code: 'upstream_unreachable',
          param: null,
        },
      },
    ],
    [
      'Anthropic, by a plugin',
      '/claude',
      401,
      { type: 'error', error: { type: 'authentication_error', message: NO_KEY }, request_id: ID },
    ],
    [
      'Anthropic, because ai_format says so',
      '/told',
      502,
      { type: 'error', error: { type: 'api_error', message: BAD_GATEWAY }, request_id: ID },
    ],
    [
      'Gemini, by a plugin',
      '/gemini',
      401,
      { error: { code: 401, message: NO_KEY, status: 'UNAUTHENTICATED' } },
    ],
    ['Kong on a plain service', '/plain', 502, { message: BAD_GATEWAY, request_id: ID }],
    ['Kong where no route is', '/nowhere', 404, { request_id: ID }],
  ])('%s', async (_what, path, status, body) => {
    const answer = await fetch(pratu.url + path, chat({}, { Accept: 'application/json' }))
    expect(answer.status).toBe(status)
    expect(answer.headers.get('content-type')).toBe('application/json; charset=utf-8')
    expect(await answer.json()).toMatchObject(body)
  })
})

describe('under compatibility: kong', () => {
  test.each(['/openai', '/claude', '/gemini', '/told', '/plain'])(
    'they are Kong’s own on %s, without a word to client libraries',
    async (path) => {
      const answer = await fetch(kong.url + path, chat({}, { Accept: 'application/json' }))
      const body = (await answer.json()) as object
      expect(Object.keys(body)).toEqual(['message', 'request_id'])
      for (const name of ['x-should-retry', 'server-timing', 'cache-control']) {
        expect(answer.headers.get(name)).toBeNull()
      }
    },
  )

  test('kong.md §2.8 mechanism A for a plugin’s, B for a failed upstream', async () => {
    const post = { method: 'POST', body: 'x', headers: { 'Content-Type': 'text/html' } }
    // `fetch` always says what it accepts.
    const typeOf = (path: string): Promise<string | undefined> =>
      new Promise((resolve, reject) => {
        const sent = request(kong.url + path, post, (answer) => {
          answer.resume()
          resolve(answer.headers['content-type'])
        })
        sent.on('error', reject)
        sent.end(post.body)
      })
    expect(await typeOf('/openai')).toBe('application/json; charset=utf-8')
    expect(await typeOf('/plain')).toBe('text/html; charset=utf-8')
  })
})
