/**
 * Plugins for tests, loaded by `PRATU_PLUGIN_MODULES`: they write down which of their phases ran, and one of them
 * authenticates by a name.
 */
import { definePlugin, refuse, type ConfigSchema, type Plugin } from '@pratu/plugin-kit'

type Phase = 'rewrite' | 'access' | 'responseHeaders' | 'responseBody' | 'log'

interface TracedConfig {
  /** The phase that throws. */
  readonly fails?: Phase | undefined
  /** Whether `access` answers. */
  readonly answers?: boolean | undefined
}

const TRACE = Symbol.for('pratu.test.trace')

/** What ran since the last call, as `name:phase`. The list is the process's: modules may be loaded twice. */
export function takeTrace(): readonly string[] {
  return trace().splice(0)
}

function trace(): string[] {
  const known: unknown = Reflect.get(globalThis, TRACE)
  if (Array.isArray(known)) return known
  const made: string[] = []
  Reflect.set(globalThis, TRACE, made)
  return made
}

/** Takes any record, as tests know what they write. */
function anyRecord<Config>(): ConfigSchema<Config> {
  return {
    '~standard': {
      version: 1,
      vendor: 'test',
      validate: (value) => ({ value: value as Config }),
    },
  }
}

function traced(name: string, priority: number) {
  return definePlugin<TracedConfig>({
    name,
    priority,
    schema: anyRecord(),
    create({ fails, answers }): Plugin {
      const enter = (phase: Phase): void => {
        trace().push(`${name}:${phase}`)
        if (fails === phase) throw new Error(`${name} fails in ${phase}`)
      }
      return {
        rewrite() {
          enter('rewrite')
          return undefined
        },
        access() {
          enter('access')
          return answers === true ? refuse(418, 'teapot', `answered by ${name}`) : undefined
        },
        responseHeaders() {
          enter('responseHeaders')
        },
        responseBody() {
          enter('responseBody')
          return undefined
        },
        log() {
          enter('log')
        },
      }
    },
  })
}

export const high = traced('traced-high', 5000)
export const middleA = traced('traced-middle-a', 500)
export const middleB = traced('traced-middle-b', 500)
export const low = traced('traced-low', 1)

interface NameAuthConfig {
  readonly anonymous?: string | undefined
}

/** Believes `X-Name`. Runs after key-auth, with the rules of all authentication plugins (kong.md §3.1). */
export const nameAuth = definePlugin<NameAuthConfig>({
  name: 'name-auth',
  priority: 1100,
  schema: anyRecord(),
  create({ anonymous }, { identities }): Plugin {
    return {
      access(exchange) {
        if (anonymous !== undefined && exchange.credential !== undefined) return undefined
        const name = exchange.request.headers.get('x-name')
        const consumer = name === undefined ? undefined : identities.consumer(name)
        const { headers } = exchange.upstream
        if (consumer !== undefined) {
          exchange.identify(consumer, { id: `name-of-${name ?? ''}`, kind: 'names' })
          headers.set('X-Consumer-Username', name ?? '')
          headers.set('X-Credential-Identifier', `name-of-${name ?? ''}`)
          return undefined
        }
        if (anonymous === undefined) return refuse(401, 'unauthorized', 'no name')
        const guest = identities.consumer(anonymous)
        exchange.identify(guest, undefined)
        headers.set('X-Consumer-Username', guest?.username ?? '')
        headers.set('X-Anonymous-Consumer', 'true')
        return undefined
      },
    }
  },
})
