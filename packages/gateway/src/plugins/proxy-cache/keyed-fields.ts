import type { Exchange } from '@pratu/plugin-kit'
import { CREDENTIAL_FIELDS, lowerCaseName } from '../../http/index.ts'

/**
 * Request fields that can change an answer, by name: what negotiation reads (RFC 9110 §12), what says which resource is
 * meant (the classics of cache poisoning, S33), and what AI providers take besides the body (F76).
 */
const NAMED: ReadonlySet<string> = new Set([
  'accept',
  'accept-charset',
  'accept-encoding',
  'accept-language',
  'content-type',
  'content-encoding',
  'origin',
  'range',
  'prefer',
  'forwarded',
  'x-forwarded-host',
  'x-forwarded-path',
  'x-forwarded-port',
  'x-forwarded-prefix',
  'x-forwarded-proto',
  'x-forwarded-scheme',
  'x-forwarded-server',
  'x-forwarded-client-cert',
  'x-host',
  'x-http-method',
  'x-http-method-override',
  'x-method-override',
  'x-original-url',
  'x-rewrite-url',
  'dpop',
  'anthropic-beta',
  'anthropic-version',
  'openai-beta',
  'openai-organization',
  'openai-project',
])

/** Words that make a field one about who is asking, wherever they stand in its name. */
const ABOUT_THE_CALLER =
  /(?:^|[-_])(?:account|apikey|auth[a-z]*|cert|certificate|cookie|credential[a-z]*|customer|email|group|groups|identity|jwt|key|org|organization|password|principal|role|roles|secret|session[a-z]*|sid|signature|subject|team|tenant|token|user|userid|username)(?:[-_]|$)/

/** Named like the above, but different in every request and known to no upstream as an identity. */
const NOT_ABOUT_THE_CALLER: ReadonlySet<string> = new Set([
  'user-agent',
  'idempotency-key',
  'x-idempotency-key',
  'sec-websocket-key',
])

/** What authentication in the gateway adds: the consumer is in the key already, and credential ids change on reload. */
const SET_BY_AUTHENTICATION: ReadonlySet<string> = new Set([
  'x-credential-identifier',
  'x-anonymous-consumer',
  'x-consumer-groups',
  'x-authenticated-groups',
])

const NOTHING: ReadonlySet<string> = new Set()

/** What a field is to a cache key. */
type Meaning = 'about the caller' | 'about the answer' | 'nothing'

const meanings = new Map<string, Meaning>()

/** Whether the field belongs in a cache key. `name` in lower case. */
export function isKeyedField(name: string): boolean {
  return meaningOf(name) !== 'nothing'
}

function meaningOf(name: string): Meaning {
  const known = meanings.get(name)
  if (known !== undefined) return known
  const about = !NOT_ABOUT_THE_CALLER.has(name) && ABOUT_THE_CALLER.test(name)
  const meaning = about ? 'about the caller' : NAMED.has(name) ? 'about the answer' : 'nothing'
  // Names come from clients, so the memo is bounded.
  if (meanings.size < 4_096 && name.length < 64) meanings.set(name, meaning)
  return meaning
}

export interface Choice {
  /** Fields that do not count after all, in lower case. */
  readonly without: ReadonlySet<string>
  /** Whether fields about the caller count. What providers are told on top of the body always does. */
  readonly callers: boolean
}

const EVERYTHING: Choice = { without: NOTHING, callers: true }

/**
 * The fields of a request that belong in its cache key: name and value in turn, in an order that does not depend on the
 * client's.
 */
export function keyedFields(
  {
    request,
    upstream,
    consumer,
    service,
  }: Pick<Exchange, 'request' | 'upstream' | 'consumer' | 'service'>,
  { without, callers }: Choice = EVERYTHING,
): readonly string[] {
  const found: Field[] = []
  const added = consumer === undefined ? NOTHING : SET_BY_AUTHENTICATION
  const provided = service?.provider === undefined ? NOTHING : CREDENTIAL_FIELDS
  const sent = upstream.headers.flat
  for (let i = 0; i < sent.length; i += 2) {
    const name = lowerCaseName(sent[i] ?? '')
    if (!isKeyedField(name) || added.has(name) || provided.has(name) || without.has(name)) continue
    if (!callers && !NAMED.has(name)) continue
    const value = sent[i + 1] ?? ''
    // The gateway's own copy of the path; the path is compared in a way of its own.
    if (name === 'x-forwarded-path' && value === request.rawPath) continue
    found.push([name, value])
  }
  if (consumer === undefined && callers) found.push(...callerFields(request.headers.flat))
  // Stable: fields of one name keep their order, which has a meaning.
  return found.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)).flat()
}

/** Nobody has said who is asking, so what the caller brought stands for it, even if it goes no further than here. */
export function callerFields(received: readonly string[]): readonly Field[] {
  const found: Field[] = []
  for (let i = 0; i < received.length; i += 2) {
    const name = lowerCaseName(received[i] ?? '')
    if (meaningOf(name) === 'about the caller')
      found.push([`caller ${name}`, received[i + 1] ?? ''])
  }
  return found
}

type Field = readonly [name: string, value: string]
