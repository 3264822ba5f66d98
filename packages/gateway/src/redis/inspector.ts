import type { Redis } from 'ioredis'
import type { RedisSettings } from '@pratu/plugin-kit'
import { createClient, type Client } from './client.ts'
import { ioredis } from './ioredis.ts'
import { revealed } from './settings.ts'

/** Fresh connections that are asked who they reach: two masters by turns go unnoticed once in 2⁵ starts. */
const LOOKS = 5
const TIMEOUT_MS = 1_000

export interface InspectorOptions {
  readonly settings: RedisSettings
  readonly ca: readonly string[] | undefined
  onFinding(finding: RedisFinding): void
}

/** Why a Redis is not fit to hold limits, or may not be. */
export interface RedisFinding {
  readonly code: 'inspection' | 'password' | 'eviction' | 'several-masters'
  readonly message: string
  readonly detail: Readonly<Record<string, unknown>>
}

/** What a server tells about itself (`INFO`). */
export interface ServerFacts {
  readonly runId: string | undefined
  readonly role: string | undefined
  readonly evictionPolicy: string | undefined
}

/** Looks, each time a connection comes up, for what makes a Redis unfit to hold limits. Each finding is told once. */
export class Inspector {
  readonly #options: InspectorOptions
  readonly #told = new Set<string>()
  #looking = false
  #closed = false

  constructor(options: InspectorOptions) {
    this.#options = options
  }

  /** Never throws: a Redis that does not let itself be looked at is used as it is. */
  async inspect(client: Client): Promise<void> {
    if (this.#looking || this.#closed) return
    this.#looking = true
    try {
      const server = client instanceof ioredis().Cluster ? client.nodes('master')[0] : client
      if (server === undefined) return
      await this.#lookAtPassword(server)
      const facts = readFacts(await server.info())
      this.#lookAtEviction(facts)
      if (this.#options.settings.topology === 'single') await this.#lookForOthers(facts, server)
    } catch (error) {
      // A connection that broke is told of by itself.
      if (!(error instanceof Error && error.name === 'ReplyError')) return
      this.#tell('inspection', 'Redis could not be inspected', { reason: error.message })
    } finally {
      this.#looking = false
    }
  }

  close(): void {
    this.#closed = true
  }

  /** The default user without a password accepts any in the handshake; only a plain AUTH tells. */
  async #lookAtPassword(server: Redis): Promise<void> {
    const { username, password } = this.#options.settings
    const secret = revealed(password)
    if (secret === undefined || revealed(username) !== undefined) return
    try {
      await server.call('AUTH', secret)
    } catch (error) {
      if (
        !(error instanceof Error) ||
        !/without any password|no password is set/.test(error.message)
      ) {
        throw error
      }
      this.#tell(
        'password',
        'a password is configured for a Redis that has none: anyone who reaches it can change the limits',
      )
    }
  }

  #lookAtEviction({ evictionPolicy }: ServerFacts): void {
    if (evictionPolicy === undefined || evictionPolicy === 'noeviction') return
    this.#tell(
      'eviction',
      'this Redis throws keys away when its memory is full, and limits with them: set maxmemory-policy noeviction, or give limits a Redis of their own',
      { maxmemory_policy: evictionPolicy },
    )
  }

  /**
   * Several masters behind one name, such as a Service over two Redis pods that know nothing of each other: each
   * connection reaches one of them, so that replicas count apart. A restart is not mistaken for it: the first connection
   * must tell the same before and after.
   */
  async #lookForOthers({ runId, role }: ServerFacts, server: Redis): Promise<void> {
    if (runId === undefined || role !== 'master') return
    const others = new Set<string>()
    for (let look = 0; look < LOOKS && !this.#closed; look++) {
      const facts = await this.#lookAfresh()
      if (facts?.runId !== undefined && facts.runId !== runId && facts.role === 'master') {
        others.add(facts.runId)
      }
    }
    if (others.size === 0 || readFacts(await server.info('server')).runId !== runId) return
    this.#tell(
      'several-masters',
      'several independent Redis masters answer to one name: replicas count apart, and limits are not exact. Point it at one master, or use Sentinel or Cluster',
      { masters: others.size + 1 },
    )
  }

  async #lookAfresh(): Promise<ServerFacts | undefined> {
    const { settings, ca } = this.#options
    const client = createClient(
      { ...settings, timeoutMs: TIMEOUT_MS },
      { ca, retryDelayMs: () => undefined },
    )
    // A look that fails tells nothing; the connection itself reports what is wrong.
    client.on('error', () => undefined)
    try {
      await client.connect()
      return readFacts(await client.info())
    } catch {
      return undefined
    } finally {
      client.disconnect()
    }
  }

  #tell(
    code: RedisFinding['code'],
    message: string,
    detail: Readonly<Record<string, unknown>> = {},
  ): void {
    const finding = JSON.stringify([code, detail])
    if (this.#told.has(finding) || this.#closed) return
    this.#told.add(finding)
    this.#options.onFinding({ code, message, detail })
  }
}

/** Reads the text of `INFO`. */
export function readFacts(info: string): ServerFacts {
  const members = new Map<string, string>()
  for (const line of info.split('\r\n')) {
    const colon = line.indexOf(':')
    if (colon > 0) members.set(line.slice(0, colon), line.slice(colon + 1))
  }
  return {
    runId: members.get('run_id'),
    role: members.get('role'),
    evictionPolicy: members.get('maxmemory_policy'),
  }
}
