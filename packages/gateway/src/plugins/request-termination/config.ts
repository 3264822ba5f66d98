import { field } from '../../config/index.ts'

interface Given {
  readonly message?: unknown
  readonly content_type?: unknown
  readonly body?: unknown
  readonly echo?: unknown
}

/** Kong's fields, defaults and rules between them (kong.md §3.15). */
export const requestTerminationSchema = field
  .record({
    status_code: field.defaulted(field.statusCode(), 503),
    message: field.optional(field.string()),
    content_type: field.optional(field.string()),
    body: field.optional(field.string()),
    echo: field.boolean(false),
    trigger: field.optional(field.headerName()),
  })
  .check(
    field.entityRule(({ message, content_type: type, body, echo }: Given) => {
      const ownBody = isGiven(type) || isGiven(body)
      if (isGiven(message) && ownBody) return 'message cannot be used with content_type or body'
      if (isGiven(type) && !isGiven(body)) return 'content_type requires a body'
      if (echo === true && ownBody) return 'echo cannot be used with content_type and body'
      return undefined
    }),
  )
  .transform((config) => ({
    status: config.status_code,
    message: config.message,
    contentType: config.content_type,
    body: config.body,
    echo: config.echo,
    /** Lower case in headers, as written in the query. */
    trigger: config.trigger,
  }))

export type RequestTerminationConfig = ReturnType<(typeof requestTerminationSchema)['parse']>

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null
}
