import type { ConsumerRef, CredentialRef, HeaderFields } from '@pratu/plugin-kit'

/**
 * Tells the upstream who is calling, by Kong's names (kong.md §3.1). Whatever the client sent under these names is
 * replaced or removed.
 *
 * @param credential `undefined` for the anonymous consumer.
 */
export function setIdentityHeaders(
  headers: HeaderFields,
  consumer: ConsumerRef | undefined,
  credential: CredentialRef | undefined,
): void {
  setOrDelete(headers, 'X-Consumer-ID', 'x-consumer-id', consumer?.id)
  setOrDelete(headers, 'X-Consumer-Custom-ID', 'x-consumer-custom-id', consumer?.customId)
  setOrDelete(headers, 'X-Consumer-Username', 'x-consumer-username', consumer?.username)
  setOrDelete(headers, 'X-Credential-Identifier', 'x-credential-identifier', credential?.id)
  const anonymous = credential === undefined ? 'true' : undefined
  setOrDelete(headers, 'X-Anonymous-Consumer', 'x-anonymous-consumer', anonymous)
}

/** Takes what the client sent under these names out, and says nothing. */
export function removeIdentityHeaders(headers: HeaderFields): void {
  for (const name of IDENTITY_HEADERS) headers.delete(name)
}

const IDENTITY_HEADERS = [
  'x-consumer-id',
  'x-consumer-custom-id',
  'x-consumer-username',
  'x-credential-identifier',
  'x-anonymous-consumer',
] as const

function setOrDelete(
  headers: HeaderFields,
  name: string,
  lowerCaseName: string,
  value: string | undefined,
): void {
  if (value === undefined) headers.delete(lowerCaseName)
  else headers.set(name, toFieldValue(value))
}

const PLAIN = /^[\x20-\x7e]*$/

/** Header text is bytes, one to a character: names beyond ASCII go out as UTF-8, and no control character does. */
function toFieldValue(text: string): string {
  if (PLAIN.test(text)) return text
  // oxlint-disable-next-line no-control-regex -- control characters are exactly what is taken out
  return Buffer.from(text.replace(/[\x00-\x1f\x7f]/g, ' '), 'utf8').toString('latin1')
}
