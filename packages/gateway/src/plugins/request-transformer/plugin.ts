import { definePlugin, type Awaitable, type Exchange, type Plugin } from '@pratu/plugin-kit'
import { isGatewayError } from '../../errors/index.ts'
import { formatQuery, parseQuery } from '../../http/index.ts'
import {
  requestTransformerSchema,
  type Edits,
  type RequestTransformerConfig,
  type Setting,
} from './config.ts'
import { editArguments } from './edit-arguments.ts'
import { editHeaders } from './edit-headers.ts'
import { editJson } from './edit-json.ts'
import { editMultipart } from './edit-multipart.ts'
import { editUri } from './edit-uri.ts'
import { RequestValues } from './request-values.ts'
import { referencesIn } from './template.ts'

/** The node's and the route's own limits hold. */
const WHOLE_BODY = Number.MAX_SAFE_INTEGER

/** Methods that have no use for a body: a form moves into the query. */
const FOLDING_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'TRACE'])

/** Edits the request on its way upstream: path, method, then headers, body and query (kong.md §3.13). */
export const requestTransformer = definePlugin<RequestTransformerConfig>({
  name: 'request-transformer',
  priority: 801,
  schema: requestTransformerSchema,

  create(config, { compatibility }): Plugin {
    const { uri, method } = config
    const readsHeaders = readsHeadersIn(config)
    const folds = method !== undefined && FOLDING_METHODS.has(method)
    const editsBody = hasEdits(config.body)
    const editsQuery = hasEdits(config.query)

    function afterMethod(exchange: Exchange, values: RequestValues): Awaitable<undefined> {
      editHeaders(exchange.upstream.headers, config.headers, values.resolve)
      const kind = editsBody ? bodyKindOf(exchange) : undefined
      return kind === undefined
        ? afterBody(exchange, values)
        : editBody(exchange, kind, config.body, values).then(() => afterBody(exchange, values))
    }

    function afterBody({ upstream }: Exchange, values: RequestValues): undefined {
      if (!editsQuery) return
      const edited = editArguments(parseQuery(upstream.query), config.query, values.resolve)
      upstream.query = edited.length === 0 ? '' : `?${formatQuery(edited)}`
    }

    return {
      access(exchange) {
        const { upstream } = exchange
        const values = new RequestValues(exchange, readsHeaders)
        if (uri !== undefined) {
          const refused = editUri(upstream, uri, values.resolve, compatibility === 'kong')
          if (refused !== undefined) return refused
        }
        if (method !== undefined) upstream.method = method
        return folds && bodyKindOf(exchange) === 'form'
          ? foldForm(exchange).then(() => afterMethod(exchange, values))
          : afterMethod(exchange, values)
      },
    }
  },
})

type BodyKind = 'json' | 'form' | 'multipart'

function bodyKindOf({ upstream }: Exchange): BodyKind | undefined {
  const type = upstream.headers.get('content-type')?.toLowerCase()
  if (type === undefined) return undefined
  if (type.includes('application/json')) return 'json'
  if (type.includes('multipart/form-data')) return 'multipart'
  return type.includes('application/x-www-form-urlencoded') ? 'form' : undefined
}

async function foldForm({ request, upstream }: Exchange): Promise<void> {
  const form = parseQuery(textOf(await request.body.bytes(WHOLE_BODY)))
  if (form.length === 0) return
  // Written anew: a body may hold line breaks, and a request target must not.
  const folded = form.map(({ name, value }) => ({ name, value, raw: undefined }))
  upstream.query = `?${formatQuery([...parseQuery(upstream.query), ...folded])}`
}

async function editBody(
  exchange: Exchange,
  kind: BodyKind,
  edits: Edits,
  { resolve }: RequestValues,
): Promise<void> {
  const { body } = exchange.request
  const edited = await editedBody()
  if (edited !== undefined) body.replace(edited)

  async function editedBody(): Promise<Uint8Array | undefined> {
    if (kind === 'json') return editJsonBody(exchange, edits, resolve)
    const bytes = await body.bytes(WHOLE_BODY)
    if (kind === 'multipart') {
      const type = exchange.upstream.headers.get('content-type') ?? ''
      return editMultipart(bytes, type, edits, resolve)
    }
    const form = editArguments(parseQuery(textOf(bytes)), edits, resolve)
    return Buffer.from(formatQuery(form), 'latin1')
  }
}

/** A body that is no JSON passes as it is, as in Kong; what is JSON but a bomb is refused (S25, S26). */
async function editJsonBody(
  { request: { body } }: Exchange,
  edits: Edits,
  resolve: RequestValues['resolve'],
): Promise<Uint8Array | undefined> {
  const bytes = await body.bytes(WHOLE_BODY)
  if (bytes.length === 0) return editJson(undefined, bytes, edits, resolve)
  try {
    return editJson(await body.json(WHOLE_BODY), bytes, edits, resolve)
  } catch (error) {
    if (isGatewayError(error) && error.code === 'invalid_json') return undefined
    throw error
  }
}

/** One character per byte, so that what nobody edits stays byte for byte. */
function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
}

function hasEdits({ remove, rename, replace, add, append }: Edits): boolean {
  return remove.length + rename.length + replace.length + add.length + append.length > 0
}

function readsHeadersIn({ uri, headers, query, body }: RequestTransformerConfig): boolean {
  const settings: readonly Setting[] = [headers, query, body].flatMap((edits) => [
    ...edits.replace,
    ...edits.add,
    ...edits.append,
  ])
  return [uri ?? [], ...settings.map(({ value }) => value)]
    .flatMap(referencesIn)
    .some(({ source }) => source === 'headers')
}
