import { createHash } from 'node:crypto'
import { checkServerIdentity, createSecureContext, getCACertificates } from 'node:tls'
import type { ConnectionOptions, SecureContext } from 'node:tls'
import type { UpstreamTls } from './contract.ts'

/** How TLS to one upstream is spoken, whatever the name. */
export interface TlsSettings {
  /** Equal for equal settings; safe to print. */
  readonly digest: string
  readonly verify: boolean
  /** @throws when a certificate or key cannot be read. */
  context(): SecureContext
}

const DEFAULT: UpstreamTls = { verify: true, ca: [], clientCert: undefined, clientKey: undefined }

/** One secure context per distinct setting: reading the trust store takes milliseconds. */
export class TlsSettingsCache {
  readonly #bundle: string | undefined
  /** Weak, so that certificates of past configurations go with their last connection. */
  readonly #known = new Map<string, WeakRef<TlsSettings>>()

  /** @param bundle PEM, trusted in addition to the system's roots by every upstream. */
  constructor(bundle: string | undefined) {
    this.#bundle = bundle
  }

  get(tls: UpstreamTls = DEFAULT): TlsSettings {
    const digest = createHash('sha256')
      .update(JSON.stringify([tls.verify, tls.ca, tls.clientCert, tls.clientKey]))
      .digest('base64url')
    const known = this.#known.get(digest)?.deref()
    if (known !== undefined) return known
    for (const [key, reference] of this.#known) {
      if (reference.deref() === undefined) this.#known.delete(key)
    }
    const settings = this.#create(digest, tls)
    this.#known.set(digest, new WeakRef(settings))
    return settings
  }

  #create(digest: string, tls: UpstreamTls): TlsSettings {
    const extra = this.#bundle === undefined ? tls.ca : [this.#bundle, ...tls.ca]
    let context: SecureContext | undefined
    return {
      digest,
      verify: tls.verify,
      context: () => {
        context ??= createSecureContext({
          minVersion: 'TLSv1.2',
          // Without `ca` Node shares one parsed store of its roots; with it, the roots must be named again.
          ...(extra.length > 0 && { ca: [...getCACertificates('default'), ...extra] }),
          ...(tls.clientCert !== undefined && { cert: tls.clientCert }),
          ...(tls.clientKey !== undefined && { key: tls.clientKey }),
        })
        return context
      },
    }
  }
}

/**
 * Options of a TLS connection to `identity`, the host that is sent (kong.md §2.8: SNI is the upstream Host value).
 *
 * @param identity host name or address, without port and brackets; certificates are checked against it.
 * @param isName whether it is a name: an address is not sent as SNI (RFC 6066 §3).
 * @throws when a certificate or key of the settings cannot be read.
 */
export function toTlsOptions(
  settings: TlsSettings,
  identity: string,
  isName: boolean,
): ConnectionOptions {
  return {
    secureContext: settings.context(),
    rejectUnauthorized: settings.verify,
    ALPNProtocols: ['http/1.1'],
    checkServerIdentity: (_host, certificate) => checkServerIdentity(identity, certificate),
    ...(isName && { servername: identity }),
  }
}
