import {
  describePlugin,
  givenBody,
  givenContext,
  givenExchange,
  parseConfig,
  runExchange,
} from '@pratu/plugin-kit/testing'
import { describe, expect, test } from 'vitest'
import { requestSizeLimiting } from './plugin.ts'

const declared = (bytes: number) => ({
  method: 'POST',
  headers: { 'Content-Length': String(bytes) },
  body: 'x'.repeat(bytes),
})
const chunked = (bytes: number, pending = false) => ({
  method: 'POST',
  headers: { 'Transfer-Encoding': 'chunked' },
  body: givenBody('x'.repeat(bytes), { chunked: true, pending }),
})

const TEN_BYTES = { allowed_payload_size: 10, size_unit: 'bytes' }
const TOO_LARGE = { status: 413, code: 'body_too_large', message: 'Request size limit exceeded' }

describePlugin(requestSizeLimiting, {
  validConfig: {},
  defaults: { maxBytes: 128 * 2 ** 20, requireContentLength: false },
  invalidConfigs: [
    {
      config: { size_unit: 'gigabytes' },
      message: 'expected one of: megabytes, kilobytes, bytes',
      path: 'size_unit',
    },
    {
      config: { allowed_payload_size: 1.5 },
      message: 'expected an integer',
      path: 'allowed_payload_size',
    },
  ],
  refusals: [
    { name: 'declared too large', config: TEN_BYTES, exchange: declared(11), ...TOO_LARGE },
    { name: 'turns out too large', config: TEN_BYTES, exchange: chunked(11), ...TOO_LARGE },
    {
      name: 'turns out too large, late',
      config: TEN_BYTES,
      exchange: chunked(11, true),
      ...TOO_LARGE,
    },
    {
      name: 'turns out too large, and had arrived before anybody asked',
      config: TEN_BYTES,
      exchange: { ...chunked(11), body: { ...chunked(11).body, buffer: () => 'complete' } },
      ...TOO_LARGE,
    },
    {
      name: 'too large, and the client waits for 100 Continue',
      config: TEN_BYTES,
      exchange: {
        ...declared(11),
        headers: { 'Content-Length': '11', Expect: ' 100-Continue' },
      },
      status: 417,
      code: 'expectation_failed',
      message: 'Request size limit exceeded',
    },
    {
      name: 'no length although one is required',
      config: { require_content_length: true },
      exchange: { method: 'POST' },
      status: 411,
      code: 'length_required',
      message: 'A valid Content-Length header is required',
    },
  ],
})

describe('kong.md §3.12', () => {
  const passes = async (
    raw: Readonly<Record<string, unknown>>,
    exchange: ReturnType<typeof declared> | ReturnType<typeof chunked>,
  ) => {
    const config = parseConfig(requestSizeLimiting, raw)
    const plugin = requestSizeLimiting.create(config, givenContext())
    return (await runExchange(plugin, givenExchange(exchange))).proxied
  }

  test('exactly the limit passes, declared, chunked and late', async () => {
    for (const exchange of [declared(10), chunked(10), chunked(10, true)]) {
      expect(await passes(TEN_BYTES, exchange)).toBe(true)
    }
  })

  test('units are powers of two', async () => {
    const one = (size_unit: string) => ({ allowed_payload_size: 1, size_unit })
    expect(await passes(one('kilobytes'), declared(1024))).toBe(true)
    expect(await passes(one('kilobytes'), declared(1025))).toBe(false)
    expect(await passes(one('megabytes'), declared(2 ** 20))).toBe(true)
    expect(await passes(one('megabytes'), declared(2 ** 20 + 1))).toBe(false)
  })

  test('require_content_length accepts a chunked body, which is measured', async () => {
    const raw = { ...TEN_BYTES, require_content_length: true }
    expect(await passes(raw, chunked(10))).toBe(true)
    expect(await passes(raw, chunked(11))).toBe(false)
  })

  test('a limit too large to measure in memory is kept by the body itself', async () => {
    const raw = { allowed_payload_size: 2 }
    expect(await passes(raw, chunked(2 ** 21))).toBe(true)
    await expect(passes(raw, chunked(2 ** 21 + 1))).rejects.toMatchObject({
      code: 'body_too_large',
      status: 413,
    })
  })
})
