import { refuse, type Reply, type UpstreamView } from '@pratu/plugin-kit'
import { escapePath, normalisePath } from '../../http/index.ts'
import { referencesIn, renderTemplate, type Resolve, type Template } from './template.ts'

/**
 * Replaces the upstream path (kong.md §3.13). A `?` of the template's own text begins arguments, which go before those
 * of the request.
 *
 * @param mayClimb `true`: dot segments that came from the request pass, as in Kong; else they are refused (S06).
 * @returns a refusal when the request made a path of something that is none.
 */
export function editUri(
  upstream: UpstreamView,
  template: Template,
  resolve: Resolve,
  mayClimb: boolean,
): Reply | undefined {
  const rendered = renderTemplate(template, resolve, encodeInserted)
  const question = rendered.indexOf('?')
  const path = escapePath(question < 0 ? rendered : rendered.slice(0, question)).replaceAll(
    '#',
    '%23',
  )
  const rooted = path.startsWith('/') ? path : `/${path}`
  const fromRequest = referencesIn(template).length > 0
  if (fromRequest && !mayClimb && normalisePath(rooted, 'strict') === undefined) {
    return refuse(400, 'path_not_canonical', 'Bad request: the path is not in canonical form')
  }
  upstream.path = rooted
  if (question >= 0) {
    const own = escapePath(rendered.slice(question)).replaceAll('#', '%23')
    upstream.query = upstream.query.length > 1 ? `${own}&${upstream.query.slice(1)}` : own
  }
  return undefined
}

/** What came from the request stays inside the path: it begins no arguments, no fragment and no escape. */
function encodeInserted(value: string): string {
  return value
    .replaceAll(/%(?![0-9A-Fa-f]{2})/g, '%25')
    .replaceAll('?', '%3F')
    .replaceAll('#', '%23')
}
