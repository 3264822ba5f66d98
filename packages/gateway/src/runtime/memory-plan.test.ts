import { expect, test } from 'vitest'
import { heapRestart } from './heap-restart.ts'
import { planHeaps, readerHeapMb } from './memory-plan.ts'

const MIB = 1024 * 1024

function memory(limit?: number, request?: number, cache = 128, buffer = 64) {
  return {
    limitBytes: limit === undefined ? undefined : limit * MIB,
    requestBytes: request === undefined ? undefined : request * MIB,
    cacheBytes: cache * MIB,
    bufferBytes: buffer * MIB,
  }
}

test('without a limit and a request V8 decides', () => {
  expect(planHeaps(memory(), 1)).toBeUndefined()
  expect(readerHeapMb(memory())).toBeUndefined()
})

test.each([
  ['a limit of 512 MiB', memory(512), 1, 256],
  ['the same with a full cache', memory(512, undefined, 256), 1, 128],
  ['a request of 512 MiB under a limit of 1 GiB', memory(1024, 512, 256), 1, 128],
  ['1 GiB', memory(1024, undefined, 128, 128), 1, 704],
  ['two workers beside the main thread', memory(1024, undefined, 128, 128), 2, 224],
  ['a container that is too small', memory(128, undefined, 32, 16), 1, 48],
])('F52 %s leaves the heap its share', (_name, given, workers, oldMb) => {
  expect(planHeaps(given, workers)?.oldMb).toBe(oldMb)
})

test('F52 heaps, caches and buffers together stay below the container', () => {
  for (const workers of [1, 2, 4]) {
    for (const mib of [512, 1024, 4096]) {
      const plan = planHeaps(memory(mib), workers)
      const threads = workers === 1 ? 1 : workers + 1
      expect((plan?.oldMb ?? 0) * threads + 128 + 64).toBeLessThan(mib)
    }
  }
})

const GIVEN = {
  execPath: '/bin/node',
  execArgv: ['--enable-source-maps'],
  argv: ['/bin/node', '/pratu.js', 'start', '--port', '1'],
  env: { PRATU_MEMORY_LIMIT: '512m' },
}

test('the program is started again once, with its arguments and the sizes', () => {
  const again = heapRestart(GIVEN)
  expect(again).toEqual([
    '/bin/node',
    '--enable-source-maps',
    '--max-old-space-size=256',
    '--max-semi-space-size=4',
    '/pratu.js',
    'start',
    '--port',
    '1',
  ])
  expect(heapRestart({ ...GIVEN, execArgv: again?.slice(1, 4) ?? [] })).toBeUndefined()
})

test('PRATU_MEMORY_REQUEST wins over the limit, and --workers counts', () => {
  const env = { PRATU_MEMORY_LIMIT: '4g', PRATU_MEMORY_REQUEST: '512m' }
  expect(heapRestart({ ...GIVEN, env })).toContain('--max-old-space-size=256')
  const argv = ['/bin/node', '/pratu.js', 'start', '-w', '2']
  expect(heapRestart({ ...GIVEN, argv })).toContain('--max-old-space-size=74')
})

test.each([
  ['sizes in NODE_OPTIONS', { env: { ...GIVEN.env, NODE_OPTIONS: '--max_old_space_size=99' } }],
  ['settings that are wrong', { env: { ...GIVEN.env, PRATU_WORKERS: 'many' } }],
])('%s leave the process as it is', (_name, given) => {
  expect(heapRestart({ ...GIVEN, ...given })).toBeUndefined()
})
