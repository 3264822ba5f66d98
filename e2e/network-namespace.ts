/**
 * A network namespace joined to this one by a pair of virtual interfaces: what runs inside has ports, routes and packet
 * filters of its own. Needs root and iproute2.
 */
import { runCommand } from './run-command.ts'

export interface NetworkNamespace extends AsyncDisposable {
  /** Of the inside, as seen from here. */
  readonly address: string
  /** Of this side, as seen from the inside. */
  readonly hostAddress: string
  /** In front of a command that shall run inside. */
  readonly enter: readonly [string, ...string[]]
  /** Runs a command inside. @throws {Error} with what it printed when it fails. */
  run(...command: string[]): Promise<string>
}

let made = 0

export async function createNetworkNamespace(): Promise<NetworkNamespace> {
  // 198.18.0.0/15 is set aside for tests: 4 addresses for each namespace, told apart by process and number.
  const index = (process.pid % 4096) * 8 + (made++ % 8)
  const prefix = `198.${18 + (index >> 14)}.${(index >> 6) & 255}`
  const first = (index & 63) * 4
  const name = `pratu-${process.pid}-${made}`
  const outside = `pr${index}h`
  const inside = `pr${index}n`
  const hostAddress = `${prefix}.${first + 1}`
  const address = `${prefix}.${first + 2}`
  const enter = ['ip', 'netns', 'exec', name] as const
  const dispose = async (): Promise<void> => {
    // The pair of interfaces goes with its inner end.
    await runCommand(['ip', 'netns', 'delete', name])
  }
  await must('ip', 'netns', 'add', name)
  try {
    await must('ip', 'link', 'add', outside, 'type', 'veth', 'peer', 'name', inside, 'netns', name)
    await must('ip', 'address', 'add', `${hostAddress}/30`, 'dev', outside)
    await must('ip', 'link', 'set', outside, 'up')
    await must(...enter, 'ip', 'address', 'add', `${address}/30`, 'dev', inside)
    await must(...enter, 'ip', 'link', 'set', inside, 'up')
    await must(...enter, 'ip', 'link', 'set', 'lo', 'up')
  } catch (error) {
    await dispose()
    throw error
  }
  return {
    address,
    hostAddress,
    enter: [...enter],
    run: (...command) => must(...enter, ...command),
    [Symbol.asyncDispose]: dispose,
  }
}

async function must(program: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await runCommand([program, ...args])
  if (code !== 0) throw new Error(`${[program, ...args].join(' ')} ended with ${code}: ${stderr}`)
  return stdout
}
