import type { Problem } from '../diagnostics.ts'
import type { Service } from '../entities.ts'
import { listed, serviceName, type Subject } from './subject.ts'
import { yamlScalar } from './yaml-text.ts'

/** Clients of models wait at least this long; their libraries' own limit is ten minutes. */
const CLIENT_MS = 120_000
const GOOD_MS = 600_000
const KONG_DEFAULT_MS = 60_000

/** Services that give up on a model before its clients do. */
export function readTimeout(subject: Subject): readonly Problem[] {
  const services = subject.aiServices()
  const short = services.filter(({ readTimeoutMs }) => readTimeoutMs < CLIENT_MS)
  const silent = services.filter(
    (service) =>
      service.readTimeoutMs >= CLIENT_MS &&
      subject.writtenAs(service, 'read_timeout') === undefined,
  )
  return [...tooShort(subject, short), ...leftToDefault(subject, silent)]
}

function tooShort(subject: Subject, services: readonly Service[]): readonly Problem[] {
  return services.map((service) => {
    const seconds = service.readTimeoutMs / 1000
    const isDefault = subject.writtenAs(service, 'read_timeout') === undefined
    return {
      severity: 'warning',
      code: 'read-timeout',
      path: subject.place(service, 'read_timeout'),
      message: `service ${serviceName(service)} gives up after ${seconds} s without a byte from the model${isDefault ? " (Kong's default)" : ''}, before its clients do: they wait 120 s and more`,
      hint: 'an answer that is not streamed sends no byte until it is complete, which takes a large model minutes. The time is paid for and then thrown away',
      fix: fixFor(service),
    }
  })
}

function leftToDefault(subject: Subject, services: readonly Service[]): readonly Problem[] {
  const [first] = services
  if (first === undefined) return []
  return [
    {
      severity: 'advice',
      code: 'read-timeout',
      path: subject.place(first),
      message: `service ${listed(services.map(serviceName))} does not say how long a model may take`,
      hint: `Kong would give up after ${KONG_DEFAULT_MS / 1000} s, under clients that wait 120 s; Pratu waits ${first.readTimeoutMs / 1000} s and takes bodies of up to ${Math.floor(subject.settings.limits.aiBodyBytes / 1_048_576)} MiB. Write it down if the file is also meant for Kong, and let the ingress in front wait as long`,
      fix: fixFor(first),
    },
  ]
}

function fixFor(service: Service): string {
  return [
    'services:',
    `- name: ${yamlScalar(service.name ?? service.host)}`,
    `  read_timeout: ${GOOD_MS}   # milliseconds`,
  ].join('\n')
}
