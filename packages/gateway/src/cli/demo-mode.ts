import { startSimulator } from '@pratu/simulator'
import type { NodeSettings } from '../config/index.ts'
import { demoConfiguration, demoProvider, newKey, type DemoUpstream } from './demo.ts'

/** A running demo: what it proxies to, and the key that was made for it. */
export interface Demo {
  readonly settings: NodeSettings
  readonly upstream: DemoUpstream
  readonly key: string
  close(): Promise<void>
}

/** Only what was left open is the demo's to choose. */
export interface DemoFlags {
  readonly proxyListen?: string
}

/** Makes a configuration for a first start: a known provider whose key is in the environment, else the simulator. */
export async function startDemo(
  settings: NodeSettings,
  flags: DemoFlags,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<Demo> {
  const provider = demoProvider(environment)
  const simulator =
    provider === undefined ? await startSimulator({ tokensPerSecond: 60 }) : undefined
  const upstream: DemoUpstream = provider ?? {
    url: `${simulator?.url ?? ''}/v1/chat/completions`,
    label: 'the built-in simulator',
    model: 'gpt-4.1-mini',
    provider: undefined,
  }
  const key = newKey()
  const chosen = [
    flags.proxyListen,
    environment['PRATU_PROXY_LISTEN'],
    environment['KONG_PROXY_LISTEN'],
  ].some((value) => value !== undefined && value !== '')
  return {
    settings: {
      ...settings,
      configuration: { kind: 'text', text: demoConfiguration(upstream, key) },
      // A key on a screen is no protection: the demo is for this machine unless somebody says otherwise.
      proxyListen: chosen
        ? settings.proxyListen
        : settings.proxyListen.map(({ port }) => ({ host: '127.0.0.1', port })),
      drain: { ...settings.drain, minimumMs: 0 },
    },
    upstream,
    key,
    close: async () => simulator?.close(),
  }
}
