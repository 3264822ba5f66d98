import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** The container's own memory, as cAdvisor would report it. */
export interface ContainerMemory {
  readonly usageBytes: number
  /** `undefined` when there is no limit: a limit of 0 would make the article's ratio infinite, and its alert fire. */
  readonly limitBytes: number | undefined
}

/** Where the files are; tests point it elsewhere. */
export interface MemorySources {
  readonly cgroupFile: string
  readonly cgroupRoot: string
}

const SOURCES: MemorySources = { cgroupFile: '/proc/self/cgroup', cgroupRoot: '/sys/fs/cgroup' }

/** Above this a cgroup v1 limit means none: the kernel writes LONG_MAX rounded down to a page. */
const UNLIMITED_BYTES = 2 ** 60

interface Version {
  readonly usage: string
  readonly limit: string
  readonly root: string
  readonly path: string
}

/**
 * Reads memory in use and the tightest limit of the process's cgroup and its parents (v2, else v1).
 *
 * @returns `undefined` where there is no memory cgroup: outside Linux, or without the controller.
 */
export function readContainerMemory(sources: MemorySources = SOURCES): ContainerMemory | undefined {
  for (const version of versionsOf(sources)) {
    // Inside a container the files of its own cgroup are usually mounted at the root, whatever the path says.
    for (const path of new Set([version.path, '/'])) {
      const usageBytes = readNumber(join(version.root, path, version.usage))
      if (usageBytes === undefined) continue
      return { usageBytes, limitBytes: tightestLimit(version, path) }
    }
  }
  return undefined
}

function versionsOf(sources: MemorySources): readonly Version[] {
  const lines = (readText(sources.cgroupFile) ?? '').split('\n')
  const versions: Version[] = []
  for (const line of lines) {
    const [id, controllers = '', path = '/'] = splitThree(line)
    if (id === '0' && controllers === '') {
      versions.push({
        usage: 'memory.current',
        limit: 'memory.max',
        root: sources.cgroupRoot,
        path,
      })
    } else if (controllers.split(',').includes('memory')) {
      const root = join(sources.cgroupRoot, 'memory')
      versions.push({ usage: 'memory.usage_in_bytes', limit: 'memory.limit_in_bytes', root, path })
    }
  }
  return versions
}

/** `hierarchy:controllers:path`, where the path may hold colons. */
function splitThree(line: string): readonly string[] {
  const first = line.indexOf(':')
  const second = line.indexOf(':', first + 1)
  return [line.slice(0, first), line.slice(first + 1, second), line.slice(second + 1)]
}

function tightestLimit(version: Version, path: string): number | undefined {
  let tightest: number | undefined
  const parts = path.split('/').filter((part) => part !== '' && part !== '..')
  for (let depth = parts.length; depth >= 0; depth -= 1) {
    const limit = readNumber(join(version.root, ...parts.slice(0, depth), version.limit))
    if (limit === undefined || limit >= UNLIMITED_BYTES) continue
    tightest = tightest === undefined ? limit : Math.min(tightest, limit)
  }
  return tightest
}

/** `undefined` for a file that is not there, and for the word `max`. */
function readNumber(file: string): number | undefined {
  const text = readText(file)?.trim()
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined
}

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    // Not there, or not ours to read: the caller goes on to the next place.
    return undefined
  }
}
