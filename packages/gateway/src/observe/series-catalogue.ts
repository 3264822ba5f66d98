import { METRICS, isMetricName, metricDefinition, type MetricName } from './metric-names.ts'
import { seriesWidth, type MetricRegion } from './metric-storage.ts'

/** One series of the scrape: the same labels in one or more regions. */
export class MergedSeries {
  readonly labels: readonly string[]
  #labelText: string | undefined
  readonly #name: MetricName
  readonly #places: { readonly cells: Float64Array; readonly cell: number }[] = []

  constructor(name: MetricName, labels: readonly string[]) {
    this.#name = name
    this.labels = labels
  }

  /** `a="x",b="y"`, escaped; empty without labels. */
  get labelText(): string {
    this.#labelText ??= renderLabels(metricDefinition(this.#name).labels, this.labels)
    return this.#labelText
  }

  addPlace(cells: Float64Array, cell: number): void {
    this.#places.push({ cells, cell })
  }

  /** @param offset which cell of the series; 0 for counters and gauges. */
  value(offset = 0): number {
    const max = metricDefinition(this.#name).across === 'max'
    let merged = Number.NaN
    for (const { cells, cell } of this.#places) {
      const value = cells[cell + offset] ?? 0
      // NaN means "nothing to say" (a gauge without a reading).
      if (Number.isNaN(value)) continue
      if (Number.isNaN(merged)) merged = value
      else merged = max ? Math.max(merged, value) : merged + value
    }
    return merged
  }

  /** Cells in all. */
  get width(): number {
    return seriesWidth(this.#name)
  }
}

/** Everything that any thread has registered; reads only what is new since the last look. */
export class SeriesCatalogue {
  readonly #regions: readonly MetricRegion[]
  readonly #readTo: number[]
  readonly #families = new Map<MetricName, Map<string, MergedSeries>>()

  constructor(regions: readonly MetricRegion[]) {
    this.#regions = regions
    this.#readTo = regions.map(() => 0)
    for (const name of Object.keys(METRICS)) {
      if (isMetricName(name)) this.#families.set(name, new Map())
    }
  }

  /**
   * Reads what was registered since the last call.
   *
   * @param maxEntries after how many to stop, roughly, so that other work gets its turn.
   * @returns whether everything was read.
   */
  refresh(maxEntries = Number.POSITIVE_INFINITY): boolean {
    let left = maxEntries
    for (const [index, region] of this.#regions.entries()) {
      if (left <= 0) return false
      const { series, next, more } = region.entries(this.#readTo[index] ?? 0, left)
      this.#readTo[index] = next
      for (const entry of series) {
        this.#obtain(entry.name, entry.labels).addPlace(region.cells, entry.cell)
      }
      if (more) return false
      left -= series.length
    }
    return true
  }

  /** In order of registration. */
  family(name: MetricName): Iterable<MergedSeries> {
    return this.#families.get(name)?.values() ?? []
  }

  find(name: MetricName, labels: readonly string[]): MergedSeries | undefined {
    return this.#families.get(name)?.get(seriesKey(labels))
  }

  #obtain(name: MetricName, labels: readonly string[]): MergedSeries {
    const key = seriesKey(labels)
    const family = this.#families.get(name)
    const known = family?.get(key)
    if (known !== undefined) return known
    const made = new MergedSeries(name, labels)
    family?.set(key, made)
    return made
  }
}

/** One string per label list; label values come from names, which hold no control characters. */
export function seriesKey(labels: readonly string[]): string {
  return labels.length === 1 ? (labels[0] ?? '') : labels.join('\u0000')
}

/** Text format 0.0.4: `\`, `"` and line feeds are escaped in values. */
export function renderLabels(names: readonly string[], values: readonly string[]): string {
  return names.map((name, index) => `${name}="${escapeValue(values[index] ?? '')}"`).join(',')
}

function escapeValue(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}
