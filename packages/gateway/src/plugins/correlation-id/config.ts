import { field } from '../../config/index.ts'

/** Kong's fields and defaults (kong.md §3.5). */
export const correlationIdSchema = field
  .record({
    header_name: field.defaulted(field.headerName(), 'Kong-Request-ID'),
    generator: field.enumeration(['uuid', 'uuid#counter', 'tracker'], 'uuid#counter'),
    echo_downstream: field.boolean(false),
  })
  .transform((config) => ({
    headerName: config.header_name,
    generator: config.generator,
    echoDownstream: config.echo_downstream,
  }))

export type CorrelationIdConfig = ReturnType<(typeof correlationIdSchema)['parse']>
