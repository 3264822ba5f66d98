import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** What the kernel grants this process's control group. `undefined` = no limit, or no control groups. */
export interface CgroupFacts {
  readonly memoryLimitBytes: number | undefined
  readonly memoryUsageBytes: number | undefined
  /** Processors' worth of time per period: 1.5 for `1500m`. */
  readonly cpus: number | undefined
}

/** Where the files are; tests point it elsewhere. */
export interface CgroupRoots {
  /** The mounted hierarchy or hierarchies. */
  readonly hierarchy: string
  /** Which groups the process is in. */
  readonly membership: string
}

const ROOTS: CgroupRoots = { hierarchy: '/sys/fs/cgroup', membership: '/proc/self/cgroup' }

/** cgroup v1 writes LONG_MAX rounded down to a page where there is no limit. */
const UNLIMITED_BYTES = 2 ** 60

/**
 * Reads memory limit, memory in use and processor quota of the process's control group, version 2 or 1. A parent's
 * limit counts when it is tighter.
 */
export function readCgroup(roots: CgroupRoots = ROOTS): CgroupFacts {
  const membership = parseMembership(readText(roots.membership) ?? '')
  const unified = membership.get('')
  const memory = controllerFolders(roots, membership.get('memory'), 'memory')
  const cpu = controllerFolders(roots, membership.get('cpu'), 'cpu', 'cpu,cpuacct')
  const v2 = unified === undefined ? [] : chain(roots.hierarchy, unified)
  return {
    memoryLimitBytes: smallest([
      ...v2.map((folder) => readBytes(join(folder, 'memory.max'))),
      ...memory.map((folder) => readBytes(join(folder, 'memory.limit_in_bytes'))),
    ]),
    memoryUsageBytes:
      first(v2, (folder) => readBytes(join(folder, 'memory.current'))) ??
      first(memory, (folder) => readBytes(join(folder, 'memory.usage_in_bytes'))),
    cpus: smallest([...v2.map(quotaV2), ...cpu.map(quotaV1)]),
  }
}

/** Controller → path; the unified hierarchy of version 2 has the empty name. */
function parseMembership(text: string): ReadonlyMap<string, string> {
  const paths = new Map<string, string>()
  for (const line of text.split('\n')) {
    const match = /^\d+:([^:]*):(\/.*)$/.exec(line)
    if (match === null) continue
    for (const controller of (match[1] ?? '').split(',')) paths.set(controller, match[2] ?? '/')
  }
  return paths
}

function controllerFolders(
  roots: CgroupRoots,
  path: string | undefined,
  ...names: readonly string[]
): readonly string[] {
  if (path === undefined) return []
  return names.flatMap((name) => chain(join(roots.hierarchy, name), path))
}

/**
 * The group's folder and its parents', innermost first. Inside a container the own group is usually mounted at the
 * root, whatever the path says; folders that are not there read as nothing.
 */
function chain(root: string, path: string): readonly string[] {
  const parts = path.split('/').filter((part) => part !== '' && part !== '..')
  return Array.from({ length: parts.length + 1 }, (_, depth) =>
    join(root, ...parts.slice(0, parts.length - depth)),
  )
}

function quotaV2(folder: string): number | undefined {
  const [quota, period] = (readText(join(folder, 'cpu.max')) ?? '').trim().split(/\s+/)
  return quotient(quota, period)
}

function quotaV1(folder: string): number | undefined {
  return quotient(
    readText(join(folder, 'cpu.cfs_quota_us'))?.trim(),
    readText(join(folder, 'cpu.cfs_period_us'))?.trim(),
  )
}

/** `max` and `-1` mean no quota. */
function quotient(quota: string | undefined, period: string | undefined): number | undefined {
  if (quota === undefined || !/^\d+$/.test(quota) || period === undefined) return undefined
  const share = Number(quota) / Number(period)
  return Number.isFinite(share) && share > 0 ? share : undefined
}

function readBytes(file: string): number | undefined {
  const text = readText(file)?.trim()
  if (text === undefined || !/^\d+$/.test(text)) return undefined
  const bytes = Number(text)
  return bytes >= UNLIMITED_BYTES ? undefined : bytes
}

function smallest(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined)
  return known.length === 0 ? undefined : Math.min(...known)
}

function first<T, R>(items: readonly T[], read: (item: T) => R | undefined): R | undefined {
  for (const item of items) {
    const result = read(item)
    if (result !== undefined) return result
  }
  return undefined
}

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    // Not there or not ours to read: this system does not tell, and the caller looks in the next place.
    return undefined
  }
}
