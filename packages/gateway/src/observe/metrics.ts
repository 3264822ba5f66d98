import { Counter, Gauge, Histogram } from './metric-handles.ts'
import {
  LatencyRecorder,
  readLatencyWindow,
  type LatencyWindow,
  type ProcessSeconds,
} from './latency-windows.ts'
import {
  metricDefinition,
  type CounterName,
  type GaugeName,
  type HistogramName,
  type LabelArguments,
  type MetricName,
} from './metric-names.ts'
import {
  MetricRegion,
  createMetricStorage,
  seriesWidth,
  type MetricStorage,
} from './metric-storage.ts'
import { SeriesCatalogue, seriesKey } from './series-catalogue.ts'
import { renderMetrics, type ComputedSample, type ExpositionFormat } from './text-format.ts'

export interface MetricsOptions {
  /** Shared by all threads of the process; made here, with one region, when absent. */
  readonly storage?: MetricStorage
  /** Which region this thread writes. */
  readonly region?: number
  /** Series per metric beyond which further ones are counted under `other` (S46). */
  readonly maxSeriesPerMetric?: number
  readonly seconds?: ProcessSeconds
}

/** Labels whose values come from the configuration: the ones that become `other` when there is no room. */
const CONFIGURED_LABELS: ReadonlySet<string> = new Set([
  'service',
  'route',
  'consumer',
  'provider',
  'model',
  'upstream',
  'target',
  'address',
])
const OTHER = 'other'
const NO_LABELS: readonly string[] = []
/** Cells that only `other` series may take. */
const RESERVED_CELLS = 8192
const DEFAULT_MAX_SERIES = 10_000
/** New series that a scrape reads before it gives way; some milliseconds. */
const REFRESH_ENTRIES = 1000

type Handle = Counter | Gauge | Histogram

interface Sampled {
  readonly handle: Counter | Gauge
  readonly read: () => number | undefined
}

interface Family<H extends Handle> {
  readonly handles: Map<string, H>
  make(cells: Float64Array, cell: number, dropped?: Counter): H
}

/**
 * The metrics of one thread. Look series up once (`counter`, `gauge`, `histogram` are memoised, some 100 ns) and keep
 * the handle; using a handle costs some nanoseconds. A series lives until the process ends.
 */
export class Metrics {
  readonly storage: MetricStorage
  /** For `/v1/metrics/latency`. */
  readonly latency: LatencyRecorder
  readonly #region: MetricRegion
  readonly #regions: readonly MetricRegion[]
  readonly #catalogue: SeriesCatalogue
  readonly #families = new Map<MetricName, Family<Handle>>()
  readonly #maxSeries: number
  readonly #reserved: number
  readonly #seconds: ProcessSeconds | undefined
  readonly #sampled: Sampled[] = []
  readonly #collectors = new Map<MetricName, () => Iterable<ComputedSample>>()

  constructor(options: MetricsOptions = {}) {
    this.storage = options.storage ?? createMetricStorage({ regions: 1 })
    const own = options.region ?? 0
    this.#region = new MetricRegion(this.storage, own)
    this.#regions = Array.from({ length: this.storage.regions }, (_, index) =>
      index === own ? this.#region : new MetricRegion(this.storage, index),
    )
    this.#catalogue = new SeriesCatalogue(this.#regions)
    this.#maxSeries = options.maxSeriesPerMetric ?? DEFAULT_MAX_SERIES
    this.#reserved = Math.min(RESERVED_CELLS, Math.floor(this.storage.cellsPerRegion / 4))
    this.#seconds = options.seconds
    this.latency = new LatencyRecorder(this.#region, options.seconds)
    for (const entry of this.#region.adopt()) {
      const family = this.#family(entry.name)
      family.handles.set(seriesKey(entry.labels), family.make(this.#region.cells, entry.cell))
    }
  }

  counter<Name extends CounterName>(name: Name, ...labels: LabelArguments<Name>): Counter {
    return this.counterOf(name, labelsOf(labels))
  }

  gauge<Name extends GaugeName>(name: Name, ...labels: LabelArguments<Name>): Gauge {
    return this.gaugeOf(name, labelsOf(labels))
  }

  /** `gauge` for a name that is known only at run time. @throws as `counterOf`. */
  gaugeOf(name: GaugeName, labels: readonly string[]): Gauge {
    const handle = this.#obtain(name, labels)
    if (!(handle instanceof Gauge)) throw new TypeError(`${name} is not a gauge`)
    return handle
  }

  histogram<Name extends HistogramName>(name: Name, ...labels: LabelArguments<Name>): Histogram {
    const handle = this.#obtain(name, labelsOf(labels))
    if (!(handle instanceof Histogram)) throw new TypeError(`${name} is not a histogram`)
    return handle
  }

  /**
   * `counter` for a name that is known only at run time.
   *
   * @throws {RangeError} when the number of labels is not the metric's.
   */
  counterOf(name: CounterName, labels: readonly string[]): Counter {
    const handle = this.#obtain(name, labels)
    if (!(handle instanceof Counter)) throw new TypeError(`${name} is not a counter`)
    return handle
  }

  /**
   * A value that is read when it is wanted: by `sample`, which a worker calls every second, and at each scrape of the
   * thread that renders. `undefined` takes the series out of the scrape; a read that throws is counted.
   */
  sampled(
    name: GaugeName | CounterName,
    labels: readonly string[],
    read: () => number | undefined,
  ): void {
    const handle = this.#obtain(name, labels)
    if (handle instanceof Histogram) throw new TypeError(`${name} is a histogram`)
    this.#sampled.push({ handle, read })
  }

  /** Series whose labels are known only while a scrape is written; only in the thread that renders. */
  collect(name: GaugeName, read: () => Iterable<ComputedSample>): void {
    this.#collectors.set(name, read)
  }

  /** Stores the current reading of everything `sampled`. */
  sample(): void {
    for (const { handle, read } of this.#sampled) {
      let value: number | undefined
      try {
        value = read()
      } catch {
        this.counter('kong_nginx_metric_errors_total').add(1)
      }
      handle.store(value ?? Number.NaN)
    }
  }

  /** One series over all threads; 0 when nobody has it. */
  total(name: CounterName | GaugeName, labels: readonly string[] = []): number {
    this.#catalogue.refresh()
    const value = this.#catalogue.find(name, labels)?.value() ?? 0
    return Number.isNaN(value) ? 0 : value
  }

  /** The whole scrape, in pieces of some 32 KiB: give way to other work between them. */
  *render(format: ExpositionFormat): Generator<string, void, undefined> {
    while (!this.#catalogue.refresh(REFRESH_ENTRIES)) yield ''
    this.sample()
    this.#catalogue.refresh()
    yield* renderMetrics(this.#catalogue, (name) => this.#collected(name), format)
  }

  /** @see readLatencyWindow */
  latencyWindow(windowSeconds: number, quantiles: readonly number[]): LatencyWindow {
    return readLatencyWindow(this.#regions, windowSeconds, quantiles, this.#seconds)
  }

  #collected(name: MetricName): Iterable<ComputedSample> {
    const read = this.#collectors.get(name)
    if (read === undefined) return []
    try {
      return [...read()]
    } catch {
      this.counter('kong_nginx_metric_errors_total').add(1)
      return []
    }
  }

  #family(name: MetricName): Family<Handle> {
    const known = this.#families.get(name)
    if (known !== undefined) return known
    const { type, buckets } = metricDefinition(name)
    const make: Family<Handle>['make'] = (cells, cell, dropped) => {
      if (type === 'counter') return new Counter(cells, cell, dropped)
      if (type === 'gauge') return new Gauge(cells, cell, dropped)
      return new Histogram(cells, cell, buckets ?? [], dropped)
    }
    const family = { handles: new Map<string, Handle>(), make }
    this.#families.set(name, family)
    return family
  }

  #obtain(name: MetricName, labels: readonly string[]): Handle {
    const family = this.#family(name)
    const known = family.handles.get(seriesKey(labels))
    if (known !== undefined) return known
    if (family.handles.size < this.#maxSeries) {
      const cell = this.#place(name, labels, this.#reserved)
      if (cell !== undefined) {
        const handle = family.make(this.#region.cells, cell)
        family.handles.set(seriesKey(labels), handle)
        return handle
      }
    }
    return this.#fold(name, family, labels)
  }

  /** No room for a series of its own: counted under `other`, and the drop is counted too. Nothing is memoised by the labels asked. */
  #fold(name: MetricName, family: Family<Handle>, labels: readonly string[]): Handle {
    const names = metricDefinition(name).labels
    const folded = labels.map((value, index) =>
      CONFIGURED_LABELS.has(names[index] ?? '') ? OTHER : value,
    )
    const key = `\u0000${seriesKey(folded)}`
    const known = family.handles.get(key)
    if (known !== undefined) return known
    const cell = this.#place(name, folded, 0)
    const dropped =
      name === 'pratu_metrics_dropped_total'
        ? undefined
        : this.counter('pratu_metrics_dropped_total', [name])
    if (cell === undefined) {
      return family.make(new Float64Array(seriesWidth(name)), 0, dropped)
    }
    const handle = family.make(this.#region.cells, cell, dropped)
    family.handles.set(key, handle)
    return handle
  }

  #place(name: MetricName, labels: readonly string[], keepFree: number): number | undefined {
    const expected = metricDefinition(name).labels.length
    if (labels.length !== expected) {
      throw new RangeError(`${name} has ${expected} labels, not ${labels.length}`)
    }
    return this.#region.append(name, labels, keepFree)
  }
}

function labelsOf(given: readonly (readonly string[])[]): readonly string[] {
  return given[0] ?? NO_LABELS
}

export function createMetrics(options: MetricsOptions = {}): Metrics {
  return new Metrics(options)
}
