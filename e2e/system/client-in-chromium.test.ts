/** The client's web entry in a real browser, from a page of another origin, through a gateway with CORS. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { stripTypeScriptTypes } from 'node:module'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { givenAiGateway } from '../gateway.ts'

const SOURCE = new URL('../../packages/client/src/', import.meta.url)
const KEY = 'browser-key'

const PLUGINS = `plugins:
- name: cors
  config: {exposed_headers: [X-Kong-Request-Id, X-Pratu-Cost, Retry-After]}
- name: key-auth
consumers:
- username: page
  keyauth_credentials:
  - key: ${KEY}
`

let browser: ChildProcess | undefined
let site: Server | undefined

afterEach(async () => {
  if (browser?.exitCode === null && browser.signalCode === null) {
    const closed = once(browser, 'close')
    browser.kill('SIGKILL')
    await closed
  }
  site?.close()
  site?.closeAllConnections()
})

/** What the page does; its result is posted back. */
function script(gatewayUrl: string): string {
  return `
import { PratuClient } from '/client/web.ts'
const gatewayUrl = ${JSON.stringify(gatewayUrl)}
const request = { model: 'gpt-4.1', messages: [{ role: 'user', content: 'Say hello' }] }
const client = new PratuClient({ gatewayUrl, apiKey: ${JSON.stringify(KEY)}, backoff: { initial: 1 } })
const fault = (text) => ({ headers: { 'x-simulator-fault': text } })
const kind = (call) => call.then(() => 'answered', (error) => error.kind)
const result = {}
try {
  const answer = await client.chatCompletion(request)
  result.text = answer.choices[0].message.content
  result.requestId = typeof answer.meta.requestId
  let streamed = ''
  for await (const piece of client.stream(request).text()) streamed += piece
  result.streamed = streamed
  result.truncated = await kind(client.stream(request, fault('no-terminal')).finalText())
  const stranger = new PratuClient({ gatewayUrl, apiKey: 'unknown' })
  result.auth = await kind(stranger.chatCompletion(request))
  const dead = new PratuClient({ gatewayUrl: 'http://127.0.0.1:9', backoff: { initial: 1 } })
  result.dead = await kind(dead.chatCompletion(request))
  const batch = await client.batchChat([request, request, { ...request, messages: [] }])
  result.batch = batch.map(({ status }) => status)
  const stream = client.stream(request, fault('hang=after-tokens:2'))
  result.aborted = await kind((async () => { for await (const _ of stream) stream.abort() })())
  result.calls = client.usage.calls
} catch (error) {
  result.error = String(error?.stack ?? error)
}
await fetch('/result', { method: 'POST', body: JSON.stringify(result) })
`
}

test('Chromium: answers, streams, batches, aborts, and every failure by its type', async () => {
  await using gateway = await givenAiGateway({ plugins: PLUGINS })
  const { promise, resolve } = Promise.withResolvers<string>()
  site = createServer((request, response) => {
    const path = request.url ?? '/'
    if (path === '/result') {
      let body = ''
      request.setEncoding('utf8').on('data', (text: string) => (body += text))
      request.on('end', () => {
        response.end()
        resolve(body)
      })
    } else if (path.startsWith('/client/')) {
      const text = readFileSync(new URL(path.slice('/client/'.length), SOURCE), 'utf8')
      response.setHeader('content-type', 'text/javascript').end(stripTypeScriptTypes(text))
    } else if (path === '/page.js') {
      response.setHeader('content-type', 'text/javascript').end(script(gateway.url))
    } else {
      response.setHeader('content-type', 'text/html')
      response.end('<!doctype html><script type="module" src="/page.js"></script>')
    }
  })
  await new Promise<void>((listening) => site?.listen(0, '127.0.0.1', listening))
  const { port } = site.address() as AddressInfo
  const profile = mkdtempSync(join(tmpdir(), 'pratu-chromium-'))
  try {
    browser = spawn(
      'chromium',
      [
        '--headless',
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--disable-dev-shm-usage',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
        '--remote-debugging-port=0',
        `--user-data-dir=${profile}`,
        `http://127.0.0.1:${port}/`,
      ],
      { stdio: 'ignore' },
    )
    const result = JSON.parse(await promise)
    expect(result).toEqual({
      text: expect.stringMatching(/./),
      requestId: 'string',
      streamed: result.text,
      truncated: 'truncated',
      auth: 'auth',
      dead: 'connection',
      batch: ['fulfilled', 'fulfilled', 'rejected'],
      aborted: 'cancelled',
      calls: 4,
    })
    const closed = once(browser, 'close')
    browser.kill('SIGKILL')
    await closed
  } finally {
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 })
  }
}, 60_000)
