/** The simulator as a program of its own, for providers that live in a network namespace. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { NetworkNamespace } from './network-namespace.ts'

const BIN = fileURLToPath(new URL('../packages/simulator/bin/pratu-simulator.js', import.meta.url))

export const PROVIDER_PORT = 9001

/**
 * Starts a provider at `host`, an address inside the namespace, on {@link PROVIDER_PORT}.
 *
 * @param seed shows in the ids of its answers: `chatcmpl-sim2x0` is the first one of seed 2.
 */
export async function startProviderIn(
  network: NetworkNamespace,
  host: string,
  seed = 1,
): Promise<AsyncDisposable> {
  const [program, ...enter] = network.enter
  const child = spawn(
    program,
    [
      ...enter,
      process.execPath,
      BIN,
      '--host',
      host,
      '--port',
      String(PROVIDER_PORT),
      '--seed',
      String(seed),
      '--json',
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  const exited = once(child, 'exit')
  await Promise.race([once(child.stdout, 'data'), exited])
  if (child.exitCode !== null) throw new Error(`the simulator ended with ${child.exitCode}`)
  return {
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await exited
    },
  }
}
