import { existsSync, readFileSync } from 'node:fs'
import { availableParallelism, hostname } from 'node:os'

import { readCgroup } from '../cgroup.ts'

const NAMESPACE_FILE = '/var/run/secrets/kubernetes.io/serviceaccount/namespace'

/** What the settings need to know of the machine; injected, so that tests decide. */
export interface HostFacts {
  readonly hostname: string
  /** Processors that this process may use, at least 1. */
  readonly cpus: number
  /** The container's memory limit. */
  readonly memoryLimitBytes: number | undefined
  /** The pod's namespace from its service account. */
  readonly namespace: string | undefined
  /** Reads a text file. @throws when it cannot. */
  readText(path: string): string
}

export function readHostFacts(): HostFacts {
  const { cpus, memoryLimitBytes } = readCgroup()
  const processors = availableParallelism()
  return {
    hostname: hostname(),
    // A quota of 1.5 processors is used up by two busy threads.
    cpus: cpus === undefined ? processors : Math.min(processors, Math.max(1, Math.ceil(cpus))),
    memoryLimitBytes,
    namespace: existsSync(NAMESPACE_FILE) ? readText(NAMESPACE_FILE).trim() : undefined,
    readText,
  }
}

function readText(path: string): string {
  return readFileSync(path, 'utf8')
}
