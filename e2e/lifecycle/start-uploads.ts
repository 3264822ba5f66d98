import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const SCRIPT = fileURLToPath(new URL('./uploads.ts', import.meta.url))

export interface Uploads {
  readonly upstreamUrl: string
  begin(gatewayPort: number): void
  /** @returns how many uploads had which answer; `cut` stands for a connection that ended without one. */
  end(): Promise<Readonly<Record<string, number>>>
}

/** Heavy uploads from a process of their own; see `uploads.ts`. */
export async function startUploads(clients: number, bytes: number): Promise<Uploads> {
  const child = spawn(process.execPath, [SCRIPT, String(clients), String(bytes)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const next = async (): Promise<string> => {
    const { value, done } = await lines.next()
    if (done === true) throw new Error('the uploads ended')
    return value
  }
  const upstreamUrl = `http://127.0.0.1:${await next()}`
  return {
    upstreamUrl,
    begin: (gatewayPort) => void child.stdin.write(`${gatewayPort}\n`),
    async end() {
      child.stdin.end()
      const answers = await next()
      child.kill()
      return JSON.parse(answers) as Record<string, number>
    },
  }
}
