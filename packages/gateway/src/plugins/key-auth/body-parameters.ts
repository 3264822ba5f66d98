import type { Awaitable, RequestView } from '@pratu/plugin-kit'
import { isGatewayError } from '../../errors/index.ts'
import { jsonParameters } from './json-parameters.ts'
import { multipartParameters } from './multipart-parameters.ts'
import { queryParameters, type Parameters } from './parameters.ts'

/** A larger body is not searched for a key: it counts as one without. */
export const SEARCHED_BODY_BYTES = 1024 * 1024

/**
 * The named values of a urlencoded, JSON or multipart body; `undefined` for any other, and for one that cannot be parsed
 * (kong.md §3.2).
 *
 * @throws {GatewayError} when the body cannot be read: 408, 413, 503.
 */
export function bodyParameters(
  request: RequestView,
): Awaitable<Parameters<Uint8Array> | undefined> {
  const { body, headers } = request
  const contentType = headers.get('content-type')
  if (contentType === undefined || body.empty) return undefined
  if ((body.declaredBytes ?? 0) > SEARCHED_BODY_BYTES) return undefined
  const state = body.buffer(SEARCHED_BODY_BYTES)
  return state instanceof Promise
    ? state.then((late) => (late === 'complete' ? parse(request, contentType) : undefined))
    : state === 'complete'
      ? parse(request, contentType)
      : undefined
}

function parse(
  { body }: RequestView,
  contentType: string,
): Awaitable<Parameters<Uint8Array> | undefined> {
  const bytes = body.bytes(SEARCHED_BODY_BYTES)
  if (bytes instanceof Promise) return bytes.then((late) => parseBytes(late))
  return parseBytes(bytes)

  function parseBytes(content: Uint8Array): Awaitable<Parameters<Uint8Array> | undefined> {
    const mediaType = contentType.split(';', 1)[0]?.trim().toLowerCase()
    switch (mediaType) {
      case 'application/json':
        return parseJson(content)
      case 'application/x-www-form-urlencoded':
        return formParameters(content)
      case 'multipart/form-data':
        return multipartParameters(contentType, content)
      default:
        return undefined
    }
  }

  function parseJson(content: Uint8Array): Awaitable<Parameters<Uint8Array> | undefined> {
    try {
      const document = body.json(SEARCHED_BODY_BYTES)
      return document instanceof Promise
        ? document.then((late) => jsonParameters(late, content), unparsable)
        : jsonParameters(document, content)
    } catch (error) {
      return unparsable(error)
    }
  }
}

/** What is no JSON holds no key; any other failure is the request's. */
function unparsable(error: unknown): undefined {
  if (!isGatewayError(error) || error.status !== 400) throw error
}

function formParameters(content: Uint8Array): Parameters<Uint8Array> {
  const form = queryParameters(Buffer.from(content).toString('utf8').replace(/^\?/, '%3F'))
  return {
    value: (name) => form.value(name),
    without(name) {
      const kept = form.without(name)
      return kept === undefined ? undefined : Buffer.from(kept)
    },
  }
}
