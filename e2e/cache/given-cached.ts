import { givenAiGateway, type GivenAiGateway } from '../gateway.ts'
import type { SimulatorOptions } from '@pratu/simulator'

export interface CachedGiven {
  readonly simulator?: SimulatorOptions
  /** YAML lines of proxy-cache's `ai` record. */
  readonly ai?: string
  /** YAML lines of proxy-cache's configuration, beside the usual. */
  readonly config?: string
  /** YAML at the top level, for consumers and more plugins. */
  readonly more?: string
  readonly environment?: Readonly<Record<string, string>>
}

/** A gateway whose AI service is cached as the article's author meant: its plugin, with POST. */
export function givenCached({
  simulator,
  ai = '',
  config = '',
  more = '',
  environment,
}: CachedGiven = {}): Promise<GivenAiGateway> {
  const indent = (lines: string, by: string): string =>
    lines === '' ? '' : `${lines.replaceAll(/^/gm, by)}\n`
  return givenAiGateway({
    ...(simulator === undefined ? {} : { simulator }),
    ...(environment === undefined ? {} : { environment }),
    plugins: `
plugins:
- name: proxy-cache
  config:
    strategy: memory
    request_method: [GET, POST]
    content_type: [application/json]
    cache_ttl: 3600
${indent(config, '    ')}${ai === '' ? '' : `    ai:\n${indent(ai, '      ')}`}${more}`,
  })
}

export const statusOf = (answer: Response): string | null => answer.headers.get('x-cache-status')

/** The sample of one series on the metrics page; 0 when it is not there. */
export async function metric(given: GivenAiGateway, series: string): Promise<number> {
  const page = await (await fetch(`${given.adminUrl}/metrics`)).text()
  const line = page.split('\n').find((one) => one.startsWith(series))
  return line === undefined ? 0 : Number(line.slice(line.lastIndexOf(' ') + 1))
}

/** The text that a chat stream tells. */
export function textOf(stream: string): string {
  return stream
    .split('\n\n')
    .filter((event) => event.startsWith('data: {'))
    .map((event) => {
      const chunk = JSON.parse(event.slice('data: '.length)) as {
        choices: { delta: { content?: string } }[]
      }
      return chunk.choices.map(({ delta }) => delta.content ?? '').join('')
    })
    .join('')
}
