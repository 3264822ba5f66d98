import { closeSync, constants, fstatSync, openSync } from 'node:fs'
import { Socket } from 'node:net'
import { isatty } from 'node:tty'

/** An open descriptor that log lines go to. */
export interface LogTarget {
  readonly fd: number
  /**
   * `instant`: a synchronous write returns at once, with `EAGAIN` when the reader is behind (pipes, sockets, terminals).
   * `disk`: a write may wait for a disk, so it belongs in the thread pool.
   */
  readonly kind: 'instant' | 'disk'
  readonly terminal: boolean
  close(): void
}

const STANDARD: ReadonlyMap<string, number> = new Map([
  ['/dev/stdout', 1],
  ['/dev/stderr', 2],
])

/**
 * Opens a log destination for writes that never wait for a reader (F58).
 *
 * @param destination `/dev/stdout`, `/dev/stderr`, or the path of a file, which is appended to.
 * @throws {Error} the system's own, when the file cannot be opened for writing: a mistake in the node's settings.
 */
export function openLogTarget(destination: string): LogTarget {
  const standard = STANDARD.get(destination)
  return standard === undefined ? openPath(destination) : openStandard(standard)
}

const APPEND = constants.O_WRONLY | constants.O_APPEND | constants.O_NONBLOCK

function openPath(path: string): LogTarget {
  const fd = openSync(path, APPEND | constants.O_CREAT, 0o640)
  return {
    fd,
    kind: fstatSync(fd).isFile() ? 'disk' : 'instant',
    terminal: isatty(fd),
    close: () => closeSync(fd),
  }
}

/**
 * The descriptor is opened a second time, so that "never wait" holds for our writes alone: the flag belongs to the open
 * file, which other processes may share. Where that is not possible (sockets, or a pipe that belongs to another user)
 * the flag is set on the shared one.
 */
function openStandard(fd: number): LogTarget {
  const terminal = isatty(fd)
  try {
    const own = openSync(`/proc/self/fd/${fd}`, APPEND)
    const kind = fstatSync(own).isFile() ? 'disk' : 'instant'
    return { fd: own, kind, terminal, close: () => closeSync(own) }
  } catch {
    return openShared(fd, terminal)
  }
}

function openShared(fd: number, terminal: boolean): LogTarget {
  const { kind, keep } = makeInstant(fd)
  return {
    fd,
    kind,
    terminal,
    close: () => {
      // The stream must live as long as the descriptor is written to, or its collection would close it.
      keep?.unref()
    },
  }
}

function makeInstant(fd: number): { readonly kind: LogTarget['kind']; readonly keep?: Socket } {
  try {
    // Never written to: libuv puts the descriptor into non-blocking mode when it adopts it, and Node has no other way.
    const keep = new Socket({ fd, readable: false, writable: true })
    keep.unref()
    return { kind: 'instant', keep }
  } catch {
    // Not a pipe and not a socket: the thread pool may wait, the event loop must not.
    return { kind: 'disk' }
  }
}
