import type { Exchange } from '@pratu/plugin-kit'
import { lowerCaseName, parseQuery } from '../../http/index.ts'
import type { Reference } from './template.ts'

/** What templates read: the request as it was when the plugin began, whatever is edited meanwhile. */
export class RequestValues {
  readonly #exchange: Exchange
  readonly #headers: readonly string[]
  readonly #query: string
  #arguments: ReadonlyMap<string, string> | undefined

  /** @param readsHeaders whether any template does; only then are they copied. */
  constructor(exchange: Exchange, readsHeaders: boolean) {
    this.#exchange = exchange
    this.#headers = readsHeaders ? [...exchange.upstream.headers.flat] : []
    this.#query = exchange.upstream.query
  }

  readonly resolve = ({ source, key }: Reference): string | undefined => {
    switch (source) {
      case 'headers':
        return this.#header(String(key))
      case 'query_params':
        return this.#argument(String(key))
      case 'uri_captures':
        return this.#capture(key)
      case 'shared':
        return undefined
    }
  }

  /** Kong's lookup: any case, and `_` for `-`, so that a name can be written after a dot. */
  #header(name: string): string | undefined {
    const exact = name.toLowerCase()
    const dashed = exact.replaceAll('_', '-')
    if (dashed === 'host') return this.#exchange.request.host
    return this.#field(exact) ?? (dashed === exact ? undefined : this.#field(dashed))
  }

  #field(lower: string): string | undefined {
    for (let i = 0; i < this.#headers.length; i += 2) {
      if (lowerCaseName(this.#headers[i] ?? '') === lower) return this.#headers[i + 1]
    }
    return undefined
  }

  #argument(name: string): string | undefined {
    if (this.#arguments === undefined) {
      const first = new Map<string, string>()
      for (const { name: given, value } of parseQuery(this.#query)) {
        if (!first.has(given)) first.set(given, String(value))
      }
      this.#arguments = first
    }
    return this.#arguments.get(name)
  }

  #capture(key: string | number): string | undefined {
    const captures = this.#exchange.uriCaptures
    if (captures === undefined) return undefined
    if (typeof key === 'number') return captures.numbered[key]
    return Object.hasOwn(captures.named, key) ? captures.named[key] : undefined
  }
}
