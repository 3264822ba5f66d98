import { hash } from 'node:crypto'
import { Tenant, type Exchange } from '@pratu/plugin-kit'
import type { RequestFacts } from '../../ai/index.ts'
import type { AnswerKey } from '../../cache/index.ts'
import type { AiCacheSettings } from './ai-settings.ts'
import { queryNames, selectArguments, selectHeaders, type KeyOptions } from './cache-key.ts'
import { callerFields, keyedFields } from './keyed-fields.ts'

/** Fields that only say in which form the answer is wanted; the gateway itself asks for it unencoded. */
const FORM_ONLY: ReadonlySet<string> = new Set(['accept', 'accept-encoding', 'accept-charset'])

/** Who shares answers with whom (S31): by default nobody with anybody. */
export function tenantOf(
  { consumer, request }: Exchange,
  { scope, scopeTag }: Pick<AiCacheSettings, 'scope' | 'scopeTag'>,
): Tenant {
  if (scope === 'global') return Tenant.everyone
  if (consumer === undefined) {
    return Tenant.caller(hash('sha256', JSON.stringify(callerFields(request.headers.flat))))
  }
  const tag = scope === 'tag' ? consumer.tags.find((one) => one.startsWith(scopeTag)) : undefined
  return tag === undefined ? Tenant.consumer(consumer.id) : Tenant.tag(tag)
}

/**
 * The key of a model's answer: everything of the request, as it would go upstream, that can change the answer (F76, S33),
 * and whose answer it is. What one tenant's members bring along as credentials does not part them: they share on purpose.
 */
export function answerKey(
  tenant: Tenant,
  { request, upstream, consumer, route, service }: Exchange,
  options: KeyOptions,
  facts: RequestFacts,
): AnswerKey {
  const shared = tenant.id === Tenant.everyone.id || tenant.id.startsWith('tag:')
  const paths = [request.rawPath, upstream.path]
  const text = JSON.stringify([
    tenant.id,
    route?.id ?? null,
    service?.id ?? null,
    service?.aiFormat ?? null,
    upstream.method,
    options.ignorePathCase ? paths.map((path) => path.toLowerCase()) : paths,
    [request.scheme, request.host],
    selectArguments(upstream.query, queryNames(upstream.query, options.varyQuery)),
    selectHeaders(upstream.headers, options.varyHeaders),
    keyedFields({ request, upstream, consumer, service }, { without: FORM_ONLY, callers: !shared }),
    facts.digest,
  ])
  return { tenant, digest: hash('sha256', text) }
}
