import type { Problem } from '../diagnostics.ts'
import { listed, serviceName, type Subject } from './subject.ts'

/** Kong's cache key ignores the body, and with it the prompt; `compatibility: kong` brings that back. */
export function cacheMixesPrompts(subject: Subject): readonly Problem[] {
  if (subject.entities.compatibility !== 'kong') return []
  return subject.plugins.flatMap((plugin) => {
    if (plugin.name !== 'proxy-cache') return []
    const methods = subject.writtenAs(plugin, 'config', 'request_method')
    if (!Array.isArray(methods) || !methods.includes('POST')) return []
    const services = subject.servicesUnder(plugin).filter(({ aiFormat }) => aiFormat !== undefined)
    if (services.length === 0) return []
    return [
      {
        severity: 'warning',
        code: 'cache-mixes-prompts',
        path: subject.place(plugin, 'config', 'request_method'),
        message: `proxy-cache ${subject.scopeName(plugin)} answers one prompt with another's completion on ${listed(services.map(serviceName))}: under compatibility: kong its key ignores the body`,
        hint: 'remove `compatibility: kong`, so that the key is made of the whole request and its caller; or take POST out of request_method',
        fix: ['- name: proxy-cache', '  config:', '    request_method:', '    - GET'].join('\n'),
      },
    ]
  })
}
