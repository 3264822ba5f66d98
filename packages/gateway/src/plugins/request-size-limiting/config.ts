import { field } from '../../config/index.ts'

const BYTES_PER = { megabytes: 2 ** 20, kilobytes: 2 ** 10, bytes: 1 } as const

/** Kong's fields and defaults (kong.md §3.12). */
export const requestSizeLimitingSchema = field
  .record({
    allowed_payload_size: field.defaulted(field.integer(), 128),
    size_unit: field.enumeration(['megabytes', 'kilobytes', 'bytes'], 'megabytes'),
    require_content_length: field.boolean(false),
  })
  .transform((config) => ({
    maxBytes: config.allowed_payload_size * BYTES_PER[config.size_unit],
    requireContentLength: config.require_content_length,
  }))

export type RequestSizeLimitingConfig = ReturnType<(typeof requestSizeLimitingSchema)['parse']>
