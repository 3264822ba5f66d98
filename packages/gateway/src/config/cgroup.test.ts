import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'

import { readCgroup } from './cgroup.ts'

function tree(files: Record<string, string>) {
  const root = mkdtempSync(join(tmpdir(), 'cgroup-'))
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  return { hierarchy: join(root, 'fs'), membership: join(root, 'self') }
}

test('version 2: the tightest limit on the way to the root counts', () => {
  const roots = tree({
    self: '0::/kubepods/pod:1/box\n',
    'fs/kubepods/pod:1/box/memory.max': 'max\n',
    'fs/kubepods/pod:1/box/memory.current': '1000\n',
    'fs/kubepods/pod:1/box/cpu.max': '150000 100000\n',
    'fs/kubepods/pod:1/memory.max': '536870912\n',
    'fs/kubepods/memory.max': '1073741824\n',
  })
  expect(readCgroup(roots)).toEqual({
    memoryLimitBytes: 536_870_912,
    memoryUsageBytes: 1000,
    cpus: 1.5,
  })
})

test('version 2 inside a container: the own group is mounted at the root', () => {
  const roots = tree({
    self: '0::/../../outer/path\n',
    'fs/memory.max': '268435456\n',
    'fs/memory.current': '5000\n',
    'fs/cpu.max': 'max 100000\n',
  })
  expect(readCgroup(roots)).toEqual({
    memoryLimitBytes: 268_435_456,
    memoryUsageBytes: 5000,
    cpus: undefined,
  })
})

test('version 1: limits per controller, huge values mean none', () => {
  const roots = tree({
    self: '5:cpu,cpuacct:/a\n4:memory:/a\n1:name=systemd:/a\n',
    'fs/memory/a/memory.limit_in_bytes': '9223372036854771712\n',
    'fs/memory/a/memory.usage_in_bytes': '77\n',
    'fs/memory/memory.limit_in_bytes': '300000000\n',
    'fs/cpu,cpuacct/a/cpu.cfs_quota_us': '50000\n',
    'fs/cpu,cpuacct/a/cpu.cfs_period_us': '100000\n',
  })
  expect(readCgroup(roots)).toEqual({
    memoryLimitBytes: 300_000_000,
    memoryUsageBytes: 77,
    cpus: 0.5,
  })
})

test("version 1 inside a container: the path is the host's, the own group is at the root", () => {
  const roots = tree({
    self: '4:memory:/docker/abc\n',
    'fs/memory/memory.usage_in_bytes': '2000\n',
    'fs/memory/memory.limit_in_bytes': '3000\n',
  })
  expect(readCgroup(roots)).toMatchObject({ memoryLimitBytes: 3000, memoryUsageBytes: 2000 })
})

test('without control groups nothing is known', () => {
  expect(readCgroup({ hierarchy: '/nowhere', membership: '/nowhere/self' })).toEqual({
    memoryLimitBytes: undefined,
    memoryUsageBytes: undefined,
    cpus: undefined,
  })
})
