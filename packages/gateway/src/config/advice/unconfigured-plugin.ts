import type { Problem } from '../diagnostics.ts'
import { listed, type Subject } from './subject.ts'

/** Plugins that are loaded by name and run nowhere. */
export function unconfiguredPlugin(subject: Subject): readonly Problem[] {
  const { plugins } = subject.settings
  if (plugins === 'bundled') return []
  const idle = plugins.filter((name) => name !== 'bundled' && !subject.hasPlugin(name))
  if (idle.length === 0) return []
  return [
    {
      severity: 'advice',
      code: 'unconfigured-plugin',
      path: [],
      outside: 'KONG_PLUGINS',
      message: `${listed(idle)} ${idle.length === 1 ? 'is' : 'are'} loaded and ${idle.length === 1 ? 'runs' : 'run'} nowhere`,
      hint: "KONG_PLUGINS only says what may be used; a plugin runs where a 'plugins' entry names it",
      fix: ['plugins:', ...idle.slice(0, 3).map((name) => `- name: ${name}`)].join('\n'),
    },
  ]
}
