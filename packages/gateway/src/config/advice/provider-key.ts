import type { Problem } from '../diagnostics.ts'
import type { PluginEntity, Service } from '../entities.ts'
import { valueAt } from '../issues.ts'
import { providerFix } from './provider-fix.ts'
import { serviceName, type Subject } from './subject.ts'

const KEY_HEADER = /^(?:authorization|x-api-key|api-key|x-goog-api-key)\s*:/i

/** An AI service without a credential of its own depends on what its callers send. */
export function providerKey(subject: Subject): readonly Problem[] {
  if (!subject.entities.credentials.some(({ kind }) => kind === 'keyauth_credentials')) return []
  return subject
    .aiServices()
    .filter((service) => service.provider === undefined && !bringsOwnKey(subject, service))
    .map((service) => problemFor(subject, service))
}

function problemFor(subject: Subject, service: Service): Problem {
  const name = serviceName(service)
  const common = {
    code: 'provider-key',
    path: subject.place(service),
    fix: providerFix([service]).join('\n'),
  }
  if (takesKeyAway(subject, service)) {
    return {
      ...common,
      severity: 'warning',
      message: `the provider behind service ${name} gets no key and will answer 401: key-auth takes the caller's key away (hide_credentials), and the service has none of its own`,
      hint: "name a provider: its key then goes upstream, and never the caller's",
    }
  }
  return {
    ...common,
    severity: 'advice',
    message: `service ${name} has no key of its own: each caller's key is passed on, so one key is both your consumer's and your provider's`,
    hint: 'it works only as long as every caller holds a valid key of the provider. Name a provider to keep its key to yourself and give callers keys of their own',
  }
}

/** Whether key-auth removes the key before the request goes upstream. */
function takesKeyAway(subject: Subject, service: Service): boolean {
  return pluginsOf(subject, service).some(
    (plugin) =>
      plugin.name === 'key-auth' &&
      subject.writtenAs(plugin, 'config', 'hide_credentials') === true,
  )
}

/** Whether a transformer puts a key on the way. */
function bringsOwnKey(subject: Subject, service: Service): boolean {
  return pluginsOf(subject, service).some(
    (plugin) =>
      plugin.name === 'request-transformer' &&
      ['add', 'append', 'replace'].some((verb) => {
        const headers = valueAt(subject.writtenAs(plugin), ['config', verb, 'headers'])
        return Array.isArray(headers) && headers.some((one) => KEY_HEADER.test(String(one)))
      }),
  )
}

function pluginsOf(subject: Subject, service: Service): readonly PluginEntity[] {
  return subject.routesOf(service).flatMap((route) => subject.pluginsOn(route))
}
