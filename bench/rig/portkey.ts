import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from './pratu.ts'
import { startProcess, type RigProcess } from './process.ts'

/** The version that our figures were measured with. */
export const PORTKEY_VERSION = '1.15.2'

const HOME = join(ROOT, '.tools/portkey')
const ENTRY = join(HOME, 'node_modules/@portkey-ai/gateway/build/start-server.js')

/** Starts Portkey's gateway, installed from npm into `.tools/` at its first use. @throws {Error} when it cannot be. */
export function startPortkey(port: number): Promise<RigProcess> {
  if (!existsSync(ENTRY)) {
    const wanted = `@portkey-ai/gateway@${PORTKEY_VERSION}`
    execFileSync('npm', ['install', '--ignore-scripts', '--prefix', HOME, wanted], {
      stdio: 'ignore',
    })
  }
  return startProcess({
    command: [process.execPath, ENTRY, `--port=${port}`, '--headless'],
    environment: { TRUSTED_CUSTOM_HOSTS: '127.0.0.1,localhost' },
    port,
  })
}

/** What a caller sends beside the request to have it forwarded to an OpenAI-compatible `base`, such as `http://…/v1`. */
export function portkeyHeaders(base: string): Readonly<Record<string, string>> {
  return {
    Authorization: 'Bearer x',
    'x-portkey-provider': 'openai',
    'x-portkey-custom-host': base,
  }
}
