import { hash, randomBytes } from 'node:crypto'

import * as field from '../fields.ts'
import { sha256Hex } from '../ids.ts'
import { type BuildContext, commonFields, defineCollection, type Row } from './collection.ts'

const consumerField = { consumer: field.optional(field.string()) }
const consumerReference = { consumer: 'consumers' }

/** A `ttl` below this is meant as a duration by whoever wrote it: as a date it lies before 2001. */
const EARLIEST_PLAUSIBLE_SECONDS = 1_000_000_000

const SHA256_HEX = /^[0-9a-fA-F]{64}$/

export const keyauthCredentials = defineCollection({
  name: 'keyauth_credentials',
  singular: 'keyauth_credential',
  schema: field
    .record({
      ...commonFields,
      ...consumerField,
      key: field.optional(field.string()),
      key_sha256: field.optional(
        field.text((value) =>
          SHA256_HEX.test(value)
            ? undefined
            : 'expected the SHA-256 of the key in 64 hexadecimal digits',
        ),
      ),
      ttl: field.optional(field.integer()),
    })
    .check(field.onlyOneOrNoneOf('key', 'key_sha256')),
  references: consumerReference,
  claims: (value) => {
    const digest = keyDigest(value)
    return digest === undefined ? [] : [['key', digest]]
  },
  writtenIn: (name, raw) => (name === 'key' && !('key' in raw) ? 'key_sha256' : name),
  // Kong's id is random on each load; ours must be equal on all replicas.
  key: (value) => {
    const digest = keyDigest(value)
    return digest === undefined ? undefined : `keyauth_credentials:*:${digest}`
  },
  build(value, row, context) {
    const consumerId = requireConsumer(row, context, value.consumer)
    const digest = keyDigest(value)
    if (digest === undefined)
      context.report(row, {
        severity: 'warning',
        code: 'unusable-credential',
        field: [],
        message: 'a credential without a key gets a random one that nobody knows',
        hint: 'give it a key, or the key_sha256 that `pratu keys new` prints',
      })
    if (value.ttl !== undefined && value.ttl <= context.nowSeconds)
      context.report(row, {
        severity: 'warning',
        code: 'expired-credential',
        field: ['ttl'],
        message:
          value.ttl < EARLIEST_PLAUSIBLE_SECONDS
            ? `in a declarative file ttl is a date in Unix seconds, not a duration: this key is already expired`
            : `this key expired at ${new Date(value.ttl * 1000).toISOString()}`,
        hint: `one hour from now is ttl: ${context.nowSeconds + 3600}`,
      })
    if (consumerId === undefined) return
    const lookup = digest ?? sha256Hex(randomBytes(32).toString('hex'))
    context.lists.credentials.push({
      id: row.id,
      kind: 'keyauth_credentials',
      consumerId,
      lookup,
      expiresAtSeconds: value.ttl,
    })
  },
})

function keyDigest(value: {
  readonly key?: string | undefined
  readonly key_sha256?: string | undefined
}): string | undefined {
  return value.key === undefined ? value.key_sha256?.toLowerCase() : sha256Hex(value.key)
}

export const basicauthCredentials = defineCollection({
  name: 'basicauth_credentials',
  singular: 'basicauth_credential',
  schema: field.record({
    ...commonFields,
    ...consumerField,
    username: field.string(),
    password: field.string(),
    ttl: field.optional(field.integer()),
  }),
  references: consumerReference,
  unique: ['username'],
  key: (value) => `basicauth_credentials:*:${value.username}`,
  build(value, row, context) {
    const consumerId = requireConsumer(row, context, value.consumer)
    if (consumerId === undefined) return
    context.lists.credentials.push({
      id: row.id,
      kind: 'basicauth_credentials',
      consumerId,
      lookup: value.username,
      expiresAtSeconds: value.ttl,
      // Kong's own hash: a file exported with `_transform: false` carries it instead of the password.
      digest: context.transform
        ? hash('sha1', value.password + consumerId, 'hex')
        : value.password.toLowerCase(),
    })
  },
})

const SYMMETRIC = ['HS256', 'HS384', 'HS512'] as const
const JWT_ALGORITHMS = [
  ...SYMMETRIC,
  'RS256',
  'RS384',
  'RS512',
  'ES256',
  'ES384',
  'ES512',
  'PS256',
  'PS384',
  'PS512',
  'EdDSA',
] as const

export const jwtSecrets = defineCollection({
  name: 'jwt_secrets',
  singular: 'jwt_secret',
  schema: field
    .record({
      ...commonFields,
      ...consumerField,
      key: field.optional(field.string()),
      secret: field.optional(field.string()),
      algorithm: field.enumeration(JWT_ALGORITHMS, 'HS256'),
      rsa_public_key: field.optional(field.string()),
    })
    .check(
      field.entityRule<{ readonly algorithm?: unknown; readonly rsa_public_key?: unknown }>(
        ({ algorithm, rsa_public_key: publicKey }) =>
          typeof algorithm === 'string' &&
          /^(?:RS|PS|Ed)/.test(algorithm) &&
          publicKey === undefined
            ? "failed conditional validation given value of field 'algorithm': 'rsa_public_key' is required"
            : undefined,
      ),
    ),
  references: consumerReference,
  unique: ['key'],
  key: (value) => (value.key === undefined ? undefined : `jwt_secrets:*:${sha256Hex(value.key)}`),
  build(value, row, context) {
    const consumerId = requireConsumer(row, context, value.consumer)
    if (consumerId === undefined || value.key === undefined) return
    context.lists.credentials.push({
      id: row.id,
      kind: 'jwt_secrets',
      consumerId,
      lookup: value.key,
      expiresAtSeconds: undefined,
    })
  },
})

export const acls = defineCollection({
  name: 'acls',
  singular: 'acl',
  schema: field.record({ ...commonFields, ...consumerField, group: field.string() }),
  references: consumerReference,
  isPart: true,
  key: (value, { reference }) => `acls:*:${reference('consumer')}:${value.group}`,
  build(value, row, context) {
    const consumerId = requireConsumer(row, context, value.consumer)
    if (consumerId !== undefined) context.groups.add(consumerId, value.group)
  },
})

export const hmacauthCredentials = defineCollection({
  name: 'hmacauth_credentials',
  singular: 'hmacauth_credential',
  schema: field.record({
    ...commonFields,
    ...consumerField,
    username: field.string(),
    secret: field.optional(field.string()),
  }),
  references: consumerReference,
  unique: ['username'],
  key: (value) => `hmacauth_credentials:*:${value.username}`,
  build(value, row, context) {
    const consumerId = requireConsumer(row, context, value.consumer)
    if (consumerId === undefined) return
    context.lists.credentials.push({
      id: row.id,
      kind: 'hmacauth_credentials',
      consumerId,
      lookup: value.username,
      expiresAtSeconds: undefined,
    })
  },
})

/** A credential belongs to somebody: nested in the consumer, or named by `consumer`. */
export function requireConsumer(
  row: Row,
  context: BuildContext,
  reference: string | undefined,
): string | undefined {
  const id = context.resolve(row, 'consumer', reference)
  if (id === undefined && reference === undefined)
    context.report(row, {
      code: 'required-field',
      field: ['consumer'],
      message: 'required field missing',
      hint: 'nest the credential in a consumer, or name one: consumer: <username>',
    })
  return id
}
