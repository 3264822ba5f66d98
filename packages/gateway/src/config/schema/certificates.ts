import { createPrivateKey, X509Certificate } from 'node:crypto'

import * as field from '../fields.ts'
import { isHostname } from '../field-formats.ts'
import { sha256Hex } from '../ids.ts'
import { type BuildContext, commonFields, defineCollection, type Row } from './collection.ts'

const pem = () => field.string()

export const certificates = defineCollection({
  name: 'certificates',
  singular: 'certificate',
  schema: field
    .record({
      ...commonFields,
      cert: pem(),
      key: pem(),
      cert_alt: field.optional(pem()),
      key_alt: field.optional(pem()),
    })
    .check(field.allOrNoneOf('cert_alt', 'key_alt')),
  build(value, row, context) {
    const types = [
      checkPair(row, context, ['cert', value.cert], ['key', value.key]),
      value.cert_alt === undefined || value.key_alt === undefined
        ? undefined
        : checkPair(row, context, ['cert_alt', value.cert_alt], ['key_alt', value.key_alt]),
    ]
    if (types[0] !== undefined && types[0] === types[1])
      context.report(row, {
        code: 'invalid-value',
        field: [field.ENTITY],
        message:
          'certificate and alternative certificate need to have different type (e.g. RSA and ECDSA), the provided certificates were both of the same type',
      })
    context.lists.certificates.push({
      id: row.id,
      cert: value.cert,
      key: value.key,
      snis: context.snis.of(row.id),
    })
  },
})

type Pem = readonly [name: string, text: string]

/** @returns the key's type, or `undefined` when the pair is not usable. */
function checkPair(row: Row, context: BuildContext, cert: Pem, key: Pem): string | undefined {
  const certificate = parse(row, context, cert, 'certificate', (text) => new X509Certificate(text))
  const privateKey = parse(row, context, key, 'key', (text) => createPrivateKey(text))
  if (certificate === undefined || privateKey === undefined) return undefined
  if (certificate.checkPrivateKey(privateKey)) return privateKey.asymmetricKeyType
  context.report(row, {
    code: 'invalid-value',
    field: [field.ENTITY],
    message: 'certificate does not match key',
  })
  return undefined
}

function parse<T>(
  row: Row,
  context: BuildContext,
  [name, text]: Pem,
  what: string,
  read: (text: string) => T,
): T | undefined {
  try {
    return read(text)
  } catch {
    // The reason from the crypto library may quote the key, and says no more than this does.
    context.report(row, {
      code: 'invalid-value',
      field: [name],
      message: `invalid ${what}: it cannot be read as PEM`,
      hint: `a block scalar keeps the lines apart: ${name}: |`,
    })
    return undefined
  }
}

export const snis = defineCollection({
  name: 'snis',
  singular: 'sni',
  schema: field.record({
    ...commonFields,
    name: field.text((value) => {
      const bare = value.replace(/^\*\.|\.\*$/, '')
      return bare.includes('*') || !isHostname(bare) ? `invalid value: ${value}` : undefined
    }),
    certificate: field.optional(field.string()),
  }),
  references: { certificate: 'certificates' },
  isPart: true,
  nameField: 'name',
  unique: ['name'],
  key: (value) => value.name,
  build(value, row, context) {
    const certificateId = context.resolve(row, 'certificate', value.certificate)
    if (certificateId !== undefined) context.snis.add(certificateId, value.name)
    else if (value.certificate === undefined)
      context.report(row, {
        code: 'required-field',
        field: ['certificate'],
        message: 'required field missing',
      })
  },
})

export const caCertificates = defineCollection({
  name: 'ca_certificates',
  singular: 'ca_certificate',
  schema: field.record({
    ...commonFields,
    cert: pem(),
    cert_digest: field.optional(field.string()),
  }),
  build(value, row, context) {
    const refuse = (message: string) =>
      context.report(row, { code: 'invalid-value', field: ['cert'], message })
    if (value.cert.split('-----BEGIN CERTIFICATE-----').length > 2)
      return refuse('please submit only one certificate at a time')
    const certificate = parse(
      row,
      context,
      ['cert', value.cert],
      'certificate',
      (text) => new X509Certificate(text),
    )
    if (certificate === undefined) return
    if (certificate.validToDate.getTime() <= context.nowSeconds * 1000)
      refuse('certificate expired, "Not After" time is in the past')
    if (!certificate.ca)
      refuse(
        'certificate does not appear to be a CA because it is missing the "CA" basic constraint',
      )
    if (!context.claim('ca_certificates', sha256Hex(certificate.fingerprint256)))
      refuse(
        `uniqueness violation: 'ca_certificates' entity with cert_digest set to '${certificate.fingerprint256.replaceAll(':', '').toLowerCase()}' already declared`,
      )
    context.lists.caCertificates.push({ id: row.id, cert: value.cert })
  },
})
