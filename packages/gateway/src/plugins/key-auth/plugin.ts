import { hash } from 'node:crypto'
import {
  definePlugin,
  refuse,
  type Awaitable,
  type ConsumerRef,
  type CredentialRef,
  type Decision,
  type Exchange,
  type KnownCredential,
  type Plugin,
  type RefusalReply,
  type Reply,
} from '@pratu/plugin-kit'
import { bodyParameters } from './body-parameters.ts'
import { concealAiClientKey, concealConfiguredKey, concealEveryKey } from './conceal.ts'
import { keyAuthSchema, type KeyAuthConfig } from './config.ts'
import { bearerToken, findAiClientKey, findConfiguredKey, type FoundKey } from './find-key.ts'
import { removeIdentityHeaders, setIdentityHeaders } from './identity-headers.ts'
import { REPEATED, type Parameters } from './parameters.ts'

/** Wrong keys that one address may send in a minute before it is told to slow down (S35). */
export const WRONG_KEYS_PER_MINUTE = 100

/**
 * Identifies the caller by a key (kong.md §3.1, §3.2). A key is only ever looked up by its SHA-256, whole (S09, S10), and
 * appears in no log line, metric or answer.
 */
export const keyAuth = definePlugin<KeyAuthConfig>({
  name: 'key-auth',
  priority: 1250,
  schema: keyAuthSchema,
  refuses: ['consumer'],

  create(config, context): Plugin {
    const { identities, ledger } = context
    const pratu = context.compatibility === 'pratu'
    const challenge = {
      'WWW-Authenticate': config.realm === undefined ? 'Key' : `Key realm="${config.realm}"`,
    }
    const missing = refuse(401, 'missing_api_key', 'No API key found in request', challenge)
    const repeated = refuse(401, 'duplicate_api_key', 'Duplicate API key found', challenge)
    const unknown = refuse(401, 'invalid_api_key', 'Unauthorized', challenge)
    // One counter per address for all instances: guessing on another route is no new start.
    const wrongKeys = ledger.meter({
      id: 'key-auth:wrong-keys',
      quantity: 'requests',
      window: { kind: 'calendar', period: 'minute' },
      limit: WRONG_KEYS_PER_MINUTE,
    })

    function authenticate(
      exchange: Exchange,
      body: Parameters<Uint8Array> | undefined,
    ): Awaitable<Reply | undefined> {
      const { request } = exchange
      const found =
        findConfiguredKey(config, request, body) ??
        (pratu ? findAiClientKey(request.headers) : undefined)
      if (found === REPEATED) return fail(exchange, repeated)
      if (found === undefined || found.text === '') return fail(exchange, missing)
      const known = lookUp(found) ?? lookUpBearer(found)
      if (known === undefined) return failWithWrongKey(exchange)
      exchange.identify(known.consumer, known.credential)
      tellIdentity(exchange, known.consumer, known.credential)
      if (exchange.service?.provider !== undefined) {
        concealEveryKey(exchange, config, body)
      } else if (config.hideCredentials) {
        if (found.name !== undefined) concealConfiguredKey(exchange, config, found.name, body)
        if (pratu) concealAiClientKey(exchange.upstream.headers, found.text)
      }
      return undefined
    }

    function lookUp({ text, encoding }: FoundKey): KnownCredential | undefined {
      const digest = hash('sha256', Buffer.from(text, encoding), 'hex')
      return identities.credential('keyauth_credentials', digest)
    }

    /** `key_names: [authorization]` means the whole value in Kong; `Bearer <key>` is understood as well. */
    function lookUpBearer(found: FoundKey): KnownCredential | undefined {
      if (!pratu || found.name?.header !== 'authorization') return undefined
      const text = bearerToken(found.text)
      return text === undefined || text === '' ? undefined : lookUp({ ...found, text })
    }

    /** The anonymous consumer when one is configured, else the refusal (kong.md §3.1). */
    function fail(exchange: Exchange, refusal: RefusalReply): Reply | undefined {
      if (config.anonymous === undefined) return refusal
      const consumer = identities.consumer(config.anonymous)
      exchange.identify(consumer, undefined)
      tellIdentity(exchange, consumer, undefined)
      return undefined
    }

    function failWithWrongKey(exchange: Exchange): Awaitable<Reply | undefined> {
      if (!pratu || config.anonymous !== undefined) return fail(exchange, unknown)
      const scope = exchange.request.clientIp
      const decision = ledger.reserve([{ meter: wrongKeys, scope, amount: 1 }])
      return decision instanceof Promise ? decision.then(judgeGuess) : judgeGuess(decision)
    }

    /** Only wrong keys are slowed down: a right one passes, also from an address that many share. */
    function judgeGuess(decision: Decision): Reply {
      if (decision.admitted) {
        decision.reservation.close()
        return unknown
      }
      return refuse(429, 'too_many_wrong_keys', 'Too many requests with an invalid API key', {
        ...challenge,
        'Retry-After': String(Math.max(1, Math.ceil(decision.retryAfterMs / 1000))),
        'x-should-retry': 'false',
      })
    }

    return {
      secretNames: config.keyNames.map(({ name }) => name),

      access(exchange) {
        if (!config.runOnPreflight && exchange.request.method === 'OPTIONS') return undefined
        // Another authentication plugin has succeeded; with `anonymous` one of them is enough.
        if (config.anonymous !== undefined && exchange.credential !== undefined) return undefined
        if (!config.keyInBody) return authenticate(exchange, undefined)
        const body = bodyParameters(exchange.request)
        return body instanceof Promise
          ? body.then((late) => authenticate(exchange, late))
          : authenticate(exchange, body)
      },
    }
  },
})

/** A provider that the gateway pays is not told who the caller is (S18). */
function tellIdentity(
  { service, upstream }: Exchange,
  consumer: ConsumerRef | undefined,
  credential: CredentialRef | undefined,
): void {
  if (service?.provider === undefined) setIdentityHeaders(upstream.headers, consumer, credential)
  else removeIdentityHeaders(upstream.headers)
}
