/** What the security tests share: a gateway with keys, and a way to look for a secret everywhere. */
import type { RecordedRequest } from '@pratu/simulator'

/** Every form in which a secret could be written down: itself, encoded, or recognisably shortened. */
export function formsOf(secret: string): readonly string[] {
  const bytes = Buffer.from(secret)
  return [
    secret,
    secret.slice(0, 12),
    encodeURIComponent(secret),
    // Of base64 only what does not depend on how the secret is placed in a longer text.
    bytes.toString('base64').replace(/=+$/, '').slice(0, -2),
    bytes.toString('base64url').slice(0, -2),
    bytes.toString('hex'),
  ]
}

/** The secrets of which some form is in the text. */
export function leaksIn(text: string, secrets: Readonly<Record<string, string>>): string[] {
  return Object.entries(secrets)
    .filter(([, secret]) => formsOf(secret).some((form) => text.includes(form)))
    .map(([name]) => name)
}

/** All of a request as the provider received it. */
export function everythingOf(request: RecordedRequest): string {
  return request.rawHead.toString('latin1') + request.rawBody.toString('latin1')
}
