import type { ErrorShape } from '@pratu/plugin-kit'
import { describe, expect, test } from 'vitest'
import { renderError, type RenderedError, type RenderRequest } from './render.ts'

const ID = '0123456789abcdef0123456789abcdef'

const render = (request: Partial<RenderRequest> = {}): RenderedError =>
  renderError({
    shape: 'kong',
    status: 502,
    code: 'upstream_reset',
    message: 'An invalid response was received from the upstream server',
    requestId: ID,
    accept: undefined,
    ...request,
  })

const typeOf = (request: Partial<RenderRequest>): string =>
  render(request).contentType.split(';')[0] ?? ''

describe('kong.md §2.8 error bodies by type', () => {
  test('JSON is spread over lines, without a space behind colons and without a line end', () => {
    expect(render()).toEqual({
      contentType: 'application/json; charset=utf-8',
      body: `{\n  "message":"An invalid response was received from the upstream server",\n  "request_id":"${ID}"\n}`,
    })
  })

  test('plain text', () => {
    expect(render({ accept: 'text/plain' })).toEqual({
      contentType: 'text/plain; charset=utf-8',
      body: `An invalid response was received from the upstream server\nrequest_id: ${ID}\n`,
    })
  })

  test('HTML and XML escape what they say', () => {
    const message = '<b>&'
    const html = render({ accept: 'text/html', message })
    expect(html.contentType).toBe('text/html; charset=utf-8')
    expect(html.body).toContain('<title>Error</title>')
    expect(html.body).toContain('<p>&lt;b&gt;&amp;.</p>')
    expect(html.body).toContain(`request_id: ${ID}`)
    const xml = render({ accept: 'application/xml', message })
    expect(xml.contentType).toBe('application/xml; charset=utf-8')
    expect(xml.body).toBe(
      `<?xml version="1.0" encoding="UTF-8"?>\n<error>\n  <message>&lt;b&gt;&amp;</message>\n  <requestid>${ID}</requestid>\n</error>`,
    )
  })

  test('S20 what is no JSON text is escaped there too', () => {
    const message = 'a "quoted"\nline'
    expect(JSON.parse(render({ message }).body)).toEqual({ message, request_id: ID })
  })
})

describe('kong.md §2.8 negotiation by Accept', () => {
  test.each([
    [undefined, 'application/json'],
    ['*/*', 'application/json'],
    ['application/*', 'application/json'],
    ['image/png', 'application/json'],
    ['text/*', 'text/plain'],
    ['TEXT/HTML', 'text/html'],
    ['text/html;q=0.5, application/xml;q=0.9', 'application/xml'],
    ['text/html;q=0.9, application/xml;q=0.9', 'text/html'],
    ['text/html;q=0, text/plain;q=0.1', 'text/plain'],
    ['text/html;q=0', 'application/json'],
    ['text/plain, */*;q=0.1', 'text/plain'],
    ['text/html;q=high', 'application/json'],
    ['', 'application/json'],
    [';,;;q=', 'application/json'],
  ])('%s gives %s', (accept, type) => {
    expect(typeOf({ accept })).toBe(type)
  })

  test('mechanism B: without Accept the request’s own type, without that plain text', () => {
    expect(typeOf({ asNginx: { contentType: undefined } })).toBe('text/plain')
    expect(typeOf({ asNginx: { contentType: 'text/html; charset=x' } })).toBe('text/html')
    expect(typeOf({ asNginx: { contentType: 'text/html' }, accept: '*/*' })).toBe(
      'application/json',
    )
  })

  test('mechanism B is only for what nginx raises', () => {
    expect(typeOf({ asNginx: { contentType: undefined }, code: 'no_route' })).toBe(
      'application/json',
    )
  })
})

describe('architecture §7 the shapes of AI formats', () => {
  const body = (shape: ErrorShape, status: number): unknown =>
    JSON.parse(render({ shape, status, code: 'a_code', message: 'A text' }).body)

  test('are JSON, whatever the client accepts', () => {
    for (const shape of ['openai', 'kong+openai', 'anthropic', 'gemini'] as const) {
      expect(typeOf({ shape, accept: 'text/html' })).toBe('application/json')
    }
  })

  test.each([
    [400, 'invalid_request_error'],
    [401, 'authentication_error'],
    [403, 'permission_error'],
    [404, 'invalid_request_error'],
    [429, 'rate_limit_error'],
    [500, 'server_error'],
    [504, 'server_error'],
  ])('OpenAI: %i is of type %s', (status, type) => {
    const error = { message: 'A text', type, code: 'a_code', param: null }
    expect(body('openai', status)).toEqual({ error })
    expect(body('kong+openai', status)).toEqual({ message: 'A text', request_id: ID, error })
  })

  test.each([
    [400, 'invalid_request_error'],
    [401, 'authentication_error'],
    [403, 'permission_error'],
    [404, 'not_found_error'],
    [413, 'request_too_large'],
    [429, 'rate_limit_error'],
    [500, 'api_error'],
    [502, 'api_error'],
    [503, 'overloaded_error'],
    [504, 'timeout_error'],
  ])('Anthropic: %i is of type %s', (status, type) => {
    expect(body('anthropic', status)).toEqual({
      type: 'error',
      error: { type, message: 'A text' },
      request_id: ID,
    })
  })

  test.each([
    [400, 'INVALID_ARGUMENT'],
    [401, 'UNAUTHENTICATED'],
    [403, 'PERMISSION_DENIED'],
    [404, 'NOT_FOUND'],
    [429, 'RESOURCE_EXHAUSTED'],
    [502, 'INTERNAL'],
    [503, 'UNAVAILABLE'],
    [504, 'DEADLINE_EXCEEDED'],
  ])('Gemini: %i is %s', (status, name) => {
    expect(body('gemini', status)).toEqual({
      error: { code: status, message: 'A text', status: name },
    })
  })
})
