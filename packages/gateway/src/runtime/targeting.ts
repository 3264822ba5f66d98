import type { Entities, Service, Upstream } from '../config/index.ts'
import type { UpstreamTarget, UpstreamTargeting, UpstreamTls } from '../upstream/index.ts'

/** Where a service's requests go: its host, or the targets of the upstream that has its host's name (kong.md §1.6). */
export function createTargeting(
  service: Service,
  upstreams: ReadonlyMap<string, Upstream>,
  entities: Entities,
): UpstreamTargeting {
  const scheme = service.protocol === 'https' ? 'https' : 'http'
  const upstream = upstreams.get(service.host)
  return {
    key: service.id,
    scheme,
    targets:
      upstream === undefined
        ? [toTarget(scheme, service.host, service.port, 100, undefined)]
        : upstream.targets.map(({ host, port, weight }) =>
            toTarget(scheme, host, port, weight, upstream.hostHeader),
          ),
    connectTimeoutMs: service.connectTimeoutMs,
    writeTimeoutMs: service.writeTimeoutMs,
    readTimeoutMs: service.readTimeoutMs,
    retries: service.retries,
    tls: scheme === 'https' ? createTls(service, upstream, entities) : undefined,
  }
}

function toTarget(
  scheme: 'http' | 'https',
  host: string,
  port: number,
  weight: number,
  hostHeader: string | undefined,
): UpstreamTarget {
  const bracketed = host.includes(':') && !host.startsWith('[') ? `[${host}]` : host
  const isDefault = port === (scheme === 'https' ? 443 : 80)
  return {
    host,
    port,
    weight,
    hostHeader: hostHeader ?? (isDefault ? bracketed : `${bracketed}:${port}`),
  }
}

function createTls(
  service: Service,
  upstream: Upstream | undefined,
  entities: Entities,
): UpstreamTls {
  const certificateId = service.clientCertificateId ?? upstream?.clientCertificateId
  const certificate = entities.certificates.find(({ id }) => id === certificateId)
  return {
    // Kong verifies only when asked; ours does unless told not to (issue 2 part 6, F42).
    verify: service.tlsVerify ?? true,
    ca: entities.caCertificates
      .filter(({ id }) => service.caCertificateIds.includes(id))
      .map(({ cert }) => cert),
    clientCert: certificate?.cert,
    clientKey: certificate?.key,
  }
}
