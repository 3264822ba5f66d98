/** A control group with a memory limit, as a container has one. Needs root and a writable cgroup file system. */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

export interface MemoryCgroup extends AsyncDisposable {
  /** In front of a command that shall run inside. */
  readonly enter: readonly [string, ...string[]]
  /** Bytes in use by everything inside, page cache included. */
  usedBytes(): number
  /** How often the kernel killed something inside. */
  kills(): number
}

interface Layout {
  readonly root: string
  readonly limit: string
  readonly usage: string
  readonly events: string
}

const V1: Layout = {
  root: '/sys/fs/cgroup/memory',
  limit: 'memory.limit_in_bytes',
  usage: 'memory.usage_in_bytes',
  events: 'memory.oom_control',
}
const V2: Layout = {
  root: '/sys/fs/cgroup',
  limit: 'memory.max',
  usage: 'memory.current',
  events: 'memory.events',
}

let made = 0

/** @returns `undefined` where no such group can be made. */
export function createMemoryCgroup(limitBytes: number): MemoryCgroup | undefined {
  const layout = existsSync(join(V1.root, V1.limit)) ? V1 : V2
  const folder = join(layout.root, `pratu-${process.pid}-${made++}`)
  try {
    mkdirSync(folder)
  } catch {
    return undefined
  }
  try {
    writeFileSync(join(folder, layout.limit), String(limitBytes))
  } catch {
    rmdirSync(folder)
    return undefined
  }
  const read = (name: string): string => readFileSync(join(folder, name), 'utf8')
  return {
    enter: ['sh', '-c', 'echo $$ > "$0" && exec "$@"', join(folder, 'cgroup.procs')],
    usedBytes: () => Number(read(layout.usage)),
    kills: () => Number(/^oom_kill (\d+)$/m.exec(read(layout.events))?.[1] ?? 0),
    async [Symbol.asyncDispose]() {
      // A process that has just ended keeps its group busy for a moment.
      for (let left = 100; left > 0; left--) {
        try {
          rmdirSync(folder)
          return
        } catch (error) {
          if (left === 1) throw error
          await sleep(20)
        }
      }
    },
  }
}
