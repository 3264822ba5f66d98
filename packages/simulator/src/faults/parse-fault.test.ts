import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import {
  BAD_HEADERS,
  ENCODINGS,
  FRAMINGS,
  MALFORMED_EVENTS,
  STREAM_QUIRKS,
  USAGE_FAULTS,
} from './fault.ts'
import { FAULT_KEYS, parseFault } from './parse-fault.ts'

test.each<[string, object]>([
  ['', {}],
  ['none', {}],
  ['status=503', { status: 503 }],
  [
    'status=429; retry-after=2; delay=1.5s',
    { status: 429, headers: [['retry-after', '2']], delayMs: 1500 },
  ],
  [
    'header=A: b; header=A: c:d',
    {
      headers: [
        ['A', 'b'],
        ['A', 'c:d'],
      ],
    },
  ],
  ['hang', { break: { at: 'before-headers', how: 'hang' } }],
  ['reset=after-tokens:3', { break: { at: 'after-tokens:3', how: 'reset' } }],
  ['reset=in-headers:1', { break: { at: 'in-headers:1', how: 'reset' } }],
  ['close=after-bytes:2kb', { break: { at: 'after-bytes:2048', how: 'close' } }],
  ['end', { break: { at: 'before-terminal', how: 'end' } }],
  ['no-terminal', { break: { at: 'before-terminal', how: 'end' } }],
  ['short-body', { break: { at: 'half', how: 'close' } }],
  [
    'error=after-tokens:2; error-code=x',
    {
      break: { at: 'after-tokens:2', how: 'error' },
      error: { code: 'x', message: 'Simulated error: x.' },
    },
  ],
  ['pause=half,2s', { pause: { at: 'half', forMs: 2000 } }],
  ['informational=103*10000', { informational: { status: 103, count: 10_000 } }],
  ['informational=102', { informational: { status: 102, count: 1 } }],
  ['segment=1', { segmentBytes: 1 }],
  ['segment=7,2ms', { segmentBytes: 7, segmentMs: 2 }],
  ['encoding=gzip*2,br', { encoding: ['gzip', 'gzip', 'br'] }],
  ['endless', { endless: { bytesPerSecond: 10_485_760, forMs: undefined } }],
  ['endless=1kb,5s', { endless: { bytesPerSecond: 1024, forMs: 5000 } }],
  ['stream=crlf, bom', { stream: ['crlf', 'bom'] }],
  ['size=10gb', { sizeBytes: 10_737_418_240 }],
  ['close-on-reuse', { closeOnReuse: 'reset' }],
  ['no-read', { noReadMs: Infinity }],
  ['no-read=2s', { noReadMs: 2000 }],
  ['body=', { body: '' }],
  ['declared-length=-5', { declaredLength: '-5' }],
  ['attempts=2', { attempts: 2 }],
  ['{"status":503,"retry-after":2}', { status: 503, headers: [['retry-after', '2']] }],
  ['{"body":"a;b","early":true,"hang":false}', { body: 'a;b', early: true }],
])('%j is understood', (text, fault) => {
  expect(parseFault(text)).toEqual(fault)
})

test.each<[string, RegExp]>([
  ['nonsense', /"nonsense" is unknown; known are/],
  ['status', /status needs a value/],
  ['status=12', /at least 100/],
  ['status=1000', /no HTTP status/],
  ['delay=soon', /not a duration/],
  ['reset=later', /write before-headers, in-headers:N, after-headers, after-tokens:N/],
  ['reset=after-tokens:x', /not a whole number/],
  ['reset; hang', /breaks off once; reset is there already/],
  ['end=in-headers:3', /can only reset/],
  ['end=before-headers', /can only reset, close or hang/],
  ['usage=odd', /none of missing, null/],
  ['encoding=rot13', /none of gzip, br/],
  ['encoding=gzip*1001', /at most 1000 layers/],
  ['bad-header=x', /none of nul/],
  ['header=x', /NAME: VALUE/],
  ['declared-length=many', /\+N or -N/],
  ['endless=fast', /not a size/],
  ['segment=0', /at least 1/],
  ['{', /not JSON/],
  ['{"status":{}}', /must be a string, a number, true/],
])('%j is refused in words', (text, message) => {
  expect(() => parseFault(text)).toThrow(message)
})

test('docs/simulator.md names every key and every kind', () => {
  const page = readFileSync(new URL('../../../../docs/simulator.md', import.meta.url), 'utf8')
  for (const key of FAULT_KEYS) expect(page, key).toMatch(new RegExp(`\`${key}[\`=]`))
  const kinds = [BAD_HEADERS, ENCODINGS, FRAMINGS, MALFORMED_EVENTS, STREAM_QUIRKS, USAGE_FAULTS]
  for (const kind of kinds.flat()) expect(page, kind).toMatch(new RegExp(`[\`=]${kind}\``))
})
