import { createNoteKey, definePlugin, type Plugin } from '@pratu/plugin-kit'
import { correlationIdSchema, type CorrelationIdConfig } from './config.ts'
import { createGenerator } from './generator.ts'

const ID = createNoteKey<string>('correlation-id')

/** Gives every request an id that upstream, client and log share (kong.md §3.5). */
export const correlationId = definePlugin<CorrelationIdConfig>({
  name: 'correlation-id',
  priority: 100_001,
  schema: correlationIdSchema,

  create({ headerName, generator, echoDownstream }, context): Plugin {
    const lowerCaseName = headerName.toLowerCase()
    const generate = createGenerator(generator, context)

    const plugin: Plugin = {
      access(exchange) {
        const { request } = exchange
        // `||`, not `??`: an empty header counts as absent.
        const id = request.headers.get(lowerCaseName) || generate(request)
        exchange.setNote(ID, id)
        exchange.upstream.headers.set(headerName, id)
        exchange.annotate('correlation_id', id)
        return undefined
      },
    }
    if (!echoDownstream) return plugin
    return {
      ...plugin,
      responseHeaders(exchange, head) {
        // A request that no route matched never ran access, yet its client is owed an id.
        const { request } = exchange
        const id = exchange.note(ID) ?? (request.headers.get(lowerCaseName) || generate(request))
        head.headers.set(headerName, id)
      },
    }
  },
})
