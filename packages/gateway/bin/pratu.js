#!/usr/bin/env node
import { existsSync } from 'node:fs'
import module from 'node:module'

// Before anything else: without a listener Node opens its debugger on this signal.
process.on('SIGUSR1', () => {})

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
if (major < 22 || (major === 22 && minor < 19)) {
  process.stderr.write(
    `pratu needs Node.js 22.19 or newer; this is ${process.versions.node}. Install a current Node.js and try again.\n`,
  )
  process.exit(1)
}
module.enableCompileCache?.()
const fromSource = existsSync(new URL('../src/cli/main.ts', import.meta.url))
const load = (path) =>
  import(new URL(fromSource ? `../src/${path}.ts` : `../dist/${path}.js`, import.meta.url).href)

// For glibc: fewer arenas, and a threshold of its own for giving memory back, which otherwise grows with every large buffer
// that is freed. Socket buffers would stay resident after a load.
const MALLOC = { MALLOC_ARENA_MAX: '2', MALLOC_TRIM_THRESHOLD_: '131072' }

// Newer than the oldest Node that we run on; without it V8 sizes its heap by itself.
if (process.argv[2] === 'start' && typeof process.execve === 'function') {
  const { PRATU_MEMORY_LIMIT, PRATU_MEMORY_REQUEST } = process.env
  const { readCgroup } = await load('config/cgroup')
  const limited = PRATU_MEMORY_LIMIT ?? PRATU_MEMORY_REQUEST ?? readCgroup().memoryLimitBytes
  if (limited !== undefined) {
    const { heapRestart } = await load('runtime/heap-restart')
    const again = heapRestart(process)
    if (again !== undefined) process.execve(process.execPath, again, { ...MALLOC, ...process.env })
  }
}
const { main } = await load('cli/main')
await main(process.argv)
