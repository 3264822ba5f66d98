import { join } from 'node:path'
import { proxyServer, startNginx, staticServer } from './nginx.ts'
import { ANSWER } from './payloads.ts'
import { portkeyHeaders, startPortkey } from './portkey.ts'
import { configuration, FIVE_PLUGINS, KEY, ROOT, startPratu } from './pratu.ts'
import { startProcess, type RigProcess } from './process.ts'

/** Where a contender takes one kind of requests. */
export interface Door {
  readonly port: number
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
}

/** A gateway under measurement: one process, one worker, access log off. */
export interface Contender {
  readonly name: string
  /** Answers with a small JSON document. */
  readonly answers: Door
  /** Answers with a stream of events. */
  readonly events: Door
  start(): Promise<RigProcess>
}

export const SPIKE = 'spike (node:http + undici)'
export const BARE = 'Pratu bare'
export const METERED = 'Pratu bare, AI metering'
export const FIVE = 'Pratu, five plugins'
export const FIVE_METERED = 'Pratu, five plugins, AI metering'
export const PORTKEY = 'Portkey'

const UPSTREAM = 18_700
export const EVENT_UPSTREAM = 18_710
const JSON_TYPE = { 'Content-Type': 'application/json' }
const PLAIN = '/plain'
/** A path that Pratu takes for AI traffic, and meters. */
const CHAT = '/v1/chat/completions'

/** Both upstreams: nginx with a static answer, and the stream of events. */
export async function startUpstreams(folder: string): Promise<RigProcess[]> {
  return [
    await startNginx(folder, UPSTREAM, staticServer(UPSTREAM, ANSWER)),
    await startProcess({
      command: [process.execPath, join(ROOT, 'bench/rig/event-upstream.ts'), `${EVENT_UPSTREAM}`],
      port: EVENT_UPSTREAM,
    }),
  ]
}

/** @param bin the Pratu to run. @param folder for scratch files. */
export function contenders(bin: string, folder: string): readonly Contender[] {
  const pratu = (name: string, port: number, path: string, plugins: string): Contender => {
    const headers = { ...JSON_TYPE, apikey: KEY }
    const routes = [
      { path, upstream: UPSTREAM },
      { path: `/events${path}`, upstream: EVENT_UPSTREAM },
    ]
    return {
      name,
      answers: { port, path, headers },
      events: { port, path: `/events${path}`, headers },
      start: () => startPratu({ bin, port, folder, configuration: configuration(routes, plugins) }),
    }
  }
  return [
    {
      name: 'nginx',
      answers: { port: 18_701, path: CHAT, headers: JSON_TYPE },
      events: { port: 18_701, path: `/events${CHAT}`, headers: JSON_TYPE },
      start: () => {
        const servers = proxyServer(18_701, `127.0.0.1:${UPSTREAM}`, `127.0.0.1:${EVENT_UPSTREAM}`)
        return startNginx(folder, 18_701, servers)
      },
    },
    {
      name: SPIKE,
      answers: { port: 18_702, path: CHAT, headers: JSON_TYPE },
      events: { port: 18_712, path: CHAT, headers: JSON_TYPE },
      start: () => {
        const pairs = [
          ['18702', `http://127.0.0.1:${UPSTREAM}`],
          ['18712', `http://127.0.0.1:${EVENT_UPSTREAM}`],
        ]
        const program = join(ROOT, 'bench/spike.ts')
        return startProcess({ command: [process.execPath, program, ...pairs.flat()], port: 18_702 })
      },
    },
    pratu(BARE, 18_703, PLAIN, ''),
    pratu(METERED, 18_704, CHAT, ''),
    pratu(FIVE, 18_705, PLAIN, FIVE_PLUGINS),
    pratu(FIVE_METERED, 18_706, CHAT, FIVE_PLUGINS),
    {
      name: PORTKEY,
      answers: portkeyDoor(UPSTREAM),
      events: portkeyDoor(EVENT_UPSTREAM),
      start: () => startPortkey(PORTKEY_PORT),
    },
  ]
}

const PORTKEY_PORT = 18_707

function portkeyDoor(upstream: number): Door {
  const headers = { ...JSON_TYPE, ...portkeyHeaders(`http://127.0.0.1:${upstream}/v1`) }
  return { port: PORTKEY_PORT, path: CHAT, headers }
}
