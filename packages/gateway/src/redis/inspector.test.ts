import { expect, test } from 'vitest'
import { readFacts } from './inspector.ts'

test('reads who a server is and what it does when its memory is full', () => {
  const info =
    '# Server\r\nredis_version:7.0.15\r\nrun_id:0a1b\r\n\r\n# Memory\r\nmaxmemory_policy:allkeys-lru\r\n# Replication\r\nrole:master\r\n'
  expect(readFacts(info)).toEqual({ runId: '0a1b', role: 'master', evictionPolicy: 'allkeys-lru' })
})

test('a server that does not tell is not judged', () => {
  expect(readFacts('')).toEqual({ runId: undefined, role: undefined, evictionPolicy: undefined })
})
