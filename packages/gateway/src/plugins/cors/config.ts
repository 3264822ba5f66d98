import { field } from '../../config/index.ts'
import { originProblem } from './origins.ts'

const METHODS = [
  'GET',
  'HEAD',
  'PUT',
  'PATCH',
  'POST',
  'DELETE',
  'OPTIONS',
  'TRACE',
  'CONNECT',
] as const

/** Kong's fields and defaults (kong.md §3.9). */
export const corsSchema = field
  .record({
    origins: field.optional(field.array(field.text(originProblem))),
    headers: field.optional(field.array(field.string())),
    exposed_headers: field.optional(field.array(field.string())),
    methods: field.defaulted(field.array(field.enumeration(METHODS)), [...METHODS]),
    max_age: field.optional(field.number()),
    credentials: field.boolean(false),
    preflight_continue: field.boolean(false),
    private_network: field.boolean(false),
  })
  .transform((config) => ({
    origins: config.origins ?? [],
    /** `undefined`: whatever a preflight asks for. */
    allowedHeaders: config.headers?.length ? config.headers.join(',') : undefined,
    exposedHeaders: config.exposed_headers?.length ? config.exposed_headers.join(',') : undefined,
    methods: config.methods.join(','),
    maxAgeSeconds: config.max_age,
    credentials: config.credentials,
    preflightContinue: config.preflight_continue,
    privateNetwork: config.private_network,
  }))

export type CorsConfig = ReturnType<(typeof corsSchema)['parse']>
