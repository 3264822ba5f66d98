import { METRICS, isMetricName, metricDefinition, type MetricName } from './metric-names.ts'
import { renderLabels, type MergedSeries, type SeriesCatalogue } from './series-catalogue.ts'

/** How a scrape is written. */
export type ExpositionFormat = 'text' | 'openmetrics'

export const CONTENT_TYPES: Readonly<Record<ExpositionFormat, string>> = {
  // Kong's own (kong.md §3.6).
  text: 'text/plain; charset=UTF-8',
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
}

/** A value that exists only while the scrape is written. */
export type ComputedSample = readonly [labels: readonly string[], value: number]

/** Computed families by metric; a family is either stored or computed. */
export type Computed = (name: MetricName) => Iterable<ComputedSample>

/** Characters per piece, so that a scrape of many series can give way to requests in between. */
const PIECE_CHARACTERS = 32_768

/**
 * OpenMetrics only for a scraper that prefers it to plain text; Prometheus does.
 *
 * @param accept the request's `Accept`.
 */
export function negotiateFormat(accept: string | undefined): ExpositionFormat {
  if (accept === undefined) return 'text'
  let openmetrics = 0
  let text = 0
  for (const part of accept.split(',')) {
    const [type = '', ...parameters] = part.split(';').map((piece) => piece.trim().toLowerCase())
    const q = parameters.find((parameter) => parameter.startsWith('q='))
    const quality = q === undefined ? 1 : Number(q.slice(2))
    if (!Number.isFinite(quality)) continue
    if (type === 'application/openmetrics-text') openmetrics = Math.max(openmetrics, quality)
    if (type === 'text/plain') text = Math.max(text, quality)
  }
  return openmetrics > text ? 'openmetrics' : 'text'
}

/** The whole scrape, piece by piece. A family without series has its `HELP` and `TYPE` all the same. */
export function* renderMetrics(
  catalogue: SeriesCatalogue,
  computed: Computed,
  format: ExpositionFormat,
): Generator<string, void, undefined> {
  let piece = ''
  for (const name of Object.keys(METRICS)) {
    if (!isMetricName(name)) continue
    piece += renderHead(name, format)
    for (const series of catalogue.family(name)) {
      piece += renderSeries(name, series)
      if (piece.length >= PIECE_CHARACTERS) {
        yield piece
        piece = ''
      }
    }
    for (const [labels, value] of computed(name)) {
      piece += renderLine(name, renderLabels(metricDefinition(name).labels, labels), value)
    }
  }
  if (format === 'openmetrics') piece += '# EOF\n'
  yield piece
}

/**
 * OpenMetrics wants counters to end in `_total` and families to be named without it. Kong's counters that do not are
 * `unknown` there, so that every series keeps one name in both formats.
 */
function renderHead(name: MetricName, format: ExpositionFormat): string {
  const { type, help } = metricDefinition(name)
  let family: string = name
  let written: string = type
  if (format === 'openmetrics' && type === 'counter') {
    if (name.endsWith('_total')) family = name.slice(0, -'_total'.length)
    else written = 'unknown'
  }
  const text = help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
  const escaped = format === 'openmetrics' ? text.replaceAll('"', '\\"') : text
  return `# HELP ${family} ${escaped}\n# TYPE ${family} ${written}\n`
}

function renderSeries(name: MetricName, series: MergedSeries): string {
  const { buckets } = metricDefinition(name)
  if (buckets !== undefined) return renderHistogram(name, series, buckets)
  const value = series.value()
  return Number.isNaN(value) ? '' : renderLine(name, series.labelText, value)
}

function renderHistogram(name: string, series: MergedSeries, buckets: readonly number[]): string {
  const prefix = series.labelText === '' ? '' : `${series.labelText},`
  let text = ''
  let count = 0
  for (const [index, bound] of buckets.entries()) {
    count += series.value(index)
    text += `${name}_bucket{${prefix}le="${bound}"} ${count}\n`
  }
  count += series.value(buckets.length)
  text += `${name}_bucket{${prefix}le="+Inf"} ${count}\n`
  text += renderLine(`${name}_sum`, series.labelText, series.value(buckets.length + 1))
  return text + renderLine(`${name}_count`, series.labelText, count)
}

/** One sample line. */
export function renderLine(name: string, labelText: string, value: number): string {
  return labelText === ''
    ? `${name} ${renderNumber(value)}\n`
    : `${name}{${labelText}} ${renderNumber(value)}\n`
}

function renderNumber(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf'
  if (value === Number.NEGATIVE_INFINITY) return '-Inf'
  return String(value)
}
