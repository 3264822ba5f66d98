import { hash } from 'node:crypto'
import type { Exchange, HeaderView } from '@pratu/plugin-kit'
import { parseQuery } from '../../http/index.ts'
import { isKeyedField, keyedFields } from './keyed-fields.ts'

export interface KeyOptions {
  readonly ignorePathCase: boolean
  readonly varyQuery: readonly string[]
  readonly varyHeaders: readonly string[]
}

/**
 * Kong's key: lower-case hex SHA-256 of `prefix|method|uri|params|headers` (kong.md §3.4). Neither body nor credentials
 * are in it, and `uri` ends in the protocol version exactly when there is no query.
 */
export function kongCacheKey({ request, consumer, route }: Exchange, options: KeyOptions): string {
  const prefix =
    route === undefined
      ? 'default'
      : consumer === undefined
        ? route.id
        : `${consumer.id}:${route.id}`
  const line = `${request.method} ${request.rawPath}`
  const uri = request.rawQuery === '' ? `${line} HTTP/${request.httpVersion}` : line
  const params = spell(selectArguments(request.rawQuery, options.varyQuery))
  const headers = spell(selectHeaders(request.headers, options.varyHeaders))
  return hash(
    'sha256',
    `${prefix}|${request.method}|${options.ignorePathCase ? uri.toLowerCase() : uri}|${params}|${headers}`,
  )
}

/**
 * Our key: everything of the request, as it would go upstream, that can change the answer (S31, S33, F76): who asks,
 * where, with which arguments, credentials and negotiation, and the body. Parts are framed as JSON, so that no two
 * different requests spell the same text.
 *
 * @param body the whole request body; empty when there is none.
 */
export function cacheKey(exchange: Exchange, options: KeyOptions, body: Uint8Array): string {
  const { request, upstream, consumer, route } = exchange
  const paths = [request.rawPath, upstream.path]
  const text = JSON.stringify([
    consumer?.id ?? null,
    route?.id ?? null,
    [request.method, upstream.method],
    options.ignorePathCase ? paths.map((path) => path.toLowerCase()) : paths,
    [request.scheme, request.host],
    selectArguments(upstream.query, queryNames(upstream.query, options.varyQuery)),
    selectHeaders(upstream.headers, options.varyHeaders),
    keyedFields(exchange),
  ])
  // JSON text has no line breaks, so the body's digest stands apart. Two digests of whole inputs are cheaper than one
  // that is fed piece by piece.
  return hash('sha256', body.length === 0 ? text : `${text}\n${hash('sha256', body)}`)
}

/** A list of arguments to vary by does not mean that callers may meet each other: their credentials count all the same. */
export function queryNames(query: string, listed: readonly string[]): readonly string[] {
  if (listed.length === 0) return listed
  const names = new Set(listed)
  for (const { name } of parseQuery(query)) if (isKeyedField(name.toLowerCase())) names.add(name)
  return [...names]
}

type Values = readonly (string | true)[]
type Selected = readonly (readonly [name: string, values: Values])[]

/** All arguments by name, or the listed ones in listed order. */
export function selectArguments(query: string, listed: readonly string[]): Selected {
  const byName = new Map<string, (string | true)[]>()
  for (const { name, value } of parseQuery(query)) {
    const values = byName.get(name)
    if (values === undefined) byName.set(name, [value])
    else values.push(value)
  }
  const names = listed.length > 0 ? listed : [...byName.keys()].toSorted(byText)
  return names.flatMap((name) => {
    const values = byName.get(name)
    return values === undefined ? [] : [[name, values] as const]
  })
}

export function selectHeaders(headers: HeaderView, listed: readonly string[]): Selected {
  return listed.flatMap((name) => {
    const values = headers.all(name.toLowerCase())
    return values.length === 0 ? [] : [[name, values] as const]
  })
}

/** Kong's spelling of arguments and headers: `name=value` joined by `:`, several values sorted and joined by `,`. */
function spell(selected: Selected): string {
  return selected
    .map(([name, values]) => {
      if (values.length === 1 && values[0] === true) return name
      return `${name}=${values.map(String).toSorted(byText).join(',')}`
    })
    .join(':')
}

function byText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
