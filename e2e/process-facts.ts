/** What Linux knows of a running process. */
import { readFileSync } from 'node:fs'

/** @throws {Error} when the process is gone. */
export function residentBytes(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]
  if (kib === undefined) throw new Error(`process ${pid} is gone`)
  return Number(kib) * 1024
}

/** CPU time that all its threads have used, user and system, in seconds. @throws {Error} when the process is gone. */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  // The name may contain spaces: fields are counted from its closing parenthesis.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const ticksPerSecond = 100
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond
}

/** How many files it may have open; Infinity when there is no limit. @throws {Error} when the process is gone. */
export function openFilesLimit(pid: number): number {
  const limits = readFileSync(`/proc/${pid}/limits`, 'latin1')
  const soft = /^Max open files\s+(\d+)/m.exec(limits)?.[1]
  return soft === undefined ? Infinity : Number(soft)
}
