import type { ErrorCode } from '../errors/index.ts'
import type { Try, UpstreamTarget } from './contract.ts'

type OpenTry = { -readonly [Member in keyof Try]: Try[Member] }

/** What the tries of one call met; the last entry is the current try's. */
export class TryLog {
  readonly entries: OpenTry[] = []

  /** @param startedAtMs epoch ms. */
  open(target: UpstreamTarget, startedAtMs: number): void {
    const { host, port } = target
    const empty = { address: undefined, status: undefined, error: undefined }
    this.entries.push({ host, port, startedAtMs, ...empty })
  }

  /** The request is about to be written to this address. */
  connected(address: string | undefined): void {
    const entry = this.entries.at(-1)
    if (entry !== undefined) entry.address = address
  }

  answered(status: number): void {
    const entry = this.entries.at(-1)
    if (entry !== undefined) entry.status = status
  }

  failed(error: ErrorCode): void {
    const entry = this.entries.at(-1)
    if (entry !== undefined) entry.error = error
  }
}
