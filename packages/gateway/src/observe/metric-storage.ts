/**
 * Where metric values live: one shared buffer with a region per serving thread and one for the main thread. A thread
 * writes only its own region, without atomics and without locks; the main thread reads all of them. What a series is
 * (its metric, its labels, its first cell) is written into the region too, before its length is published: nothing has
 * to be sent between threads, the counts of a dead worker stay readable, and its replacement goes on counting in them.
 *
 * A region: header (64 bytes) · directory (UTF-8 entries) · latency window (float64) · cells (float64).
 */
import { isMetricName, metricDefinition, type MetricName } from './metric-names.ts'

/** Plain data: hand it to a worker as it is. */
export interface MetricStorage {
  readonly buffer: SharedArrayBuffer
  readonly regions: number
  readonly cellsPerRegion: number
}

export interface StorageSize {
  /** Serving threads plus one for the main thread when it does not serve itself. */
  readonly regions: number
  /** Values per region: one per counter and gauge, buckets + 2 per histogram. Untouched memory costs nothing. */
  readonly cellsPerRegion?: number
}

/** One series as its region's directory describes it. */
export interface SeriesEntry {
  readonly name: MetricName
  readonly labels: readonly string[]
  /** Index of its first cell. */
  readonly cell: number
}

export interface DirectoryPage {
  readonly series: readonly SeriesEntry[]
  /** Where to go on next time. */
  readonly next: number
  /** Whether there is more already. */
  readonly more: boolean
}

const HEADER_BYTES = 64
const DEFAULT_CELLS = 262_144
/** A series takes some 8 cells and 120 bytes of directory on average. */
const DIRECTORY_BYTES_PER_CELL = 16
/** Cells of the latency window; `latency-windows.ts` lays them out. */
export const WINDOW_CELLS = 8192

export function createMetricStorage(size: StorageSize): MetricStorage {
  const cellsPerRegion = size.cellsPerRegion ?? DEFAULT_CELLS
  const bytes = regionBytes(cellsPerRegion) * size.regions
  return { buffer: new SharedArrayBuffer(bytes), regions: size.regions, cellsPerRegion }
}

function regionBytes(cells: number): number {
  return HEADER_BYTES + directoryBytes(cells) + (WINDOW_CELLS + cells) * 8
}

function directoryBytes(cells: number): number {
  return cells * DIRECTORY_BYTES_PER_CELL
}

/** Cells that a series of this metric takes: one, or one per bucket, `+Inf` and the sum. */
export function seriesWidth(name: MetricName): number {
  const { buckets } = metricDefinition(name)
  return buckets === undefined ? 1 : buckets.length + 2
}

/** One thread's part of the storage. */
export class MetricRegion {
  readonly cells: Float64Array
  readonly window: Float64Array
  readonly #directory: Buffer
  /** [0] = published bytes of the directory. */
  readonly #header: Int32Array
  #nextCell = 0

  /** @throws {RangeError} when `index` is not a region of the storage. */
  constructor(storage: MetricStorage, index: number) {
    if (!Number.isInteger(index) || index < 0 || index >= storage.regions) {
      throw new RangeError(`metric region ${index} of ${storage.regions}`)
    }
    const { buffer, cellsPerRegion } = storage
    const start = regionBytes(cellsPerRegion) * index
    const directory = start + HEADER_BYTES
    const window = directory + directoryBytes(cellsPerRegion)
    this.#header = new Int32Array(buffer, start, HEADER_BYTES / 4)
    this.#directory = Buffer.from(buffer, directory, directoryBytes(cellsPerRegion))
    this.window = new Float64Array(buffer, window, WINDOW_CELLS)
    this.cells = new Float64Array(buffer, window + WINDOW_CELLS * 8, cellsPerRegion)
  }

  /**
   * Describes a new series and gives it cells. Only the region's own thread may call this.
   *
   * @param keepFree cells that must stay free afterwards.
   * @returns its first cell, or `undefined` when there is no room.
   */
  append(name: MetricName, labels: readonly string[], keepFree: number): number | undefined {
    const cell = this.#nextCell
    const next = cell + seriesWidth(name)
    if (next + keepFree > this.cells.length) return undefined
    const text = JSON.stringify([name, labels, cell])
    const bytes = Buffer.byteLength(text)
    const used = Atomics.load(this.#header, 0)
    if (used + 4 + bytes > this.#directory.length) return undefined
    this.#directory.writeUInt32LE(bytes, used)
    this.#directory.write(text, used + 4)
    // Readers see the entry only from here on: a thread that dies above leaves nothing half written.
    Atomics.store(this.#header, 0, used + 4 + bytes)
    this.#nextCell = next
    return cell
  }

  /**
   * The series described at byte `from` of the directory and later.
   *
   * @param maxEntries how many at most.
   */
  entries(from: number, maxEntries = Number.POSITIVE_INFINITY): DirectoryPage {
    const end = Atomics.load(this.#header, 0)
    const series: SeriesEntry[] = []
    let at = from
    while (at < end && series.length < maxEntries) {
      const bytes = this.#directory.readUInt32LE(at)
      const entry = parseEntry(this.#directory.toString('utf8', at + 4, at + 4 + bytes))
      if (entry !== undefined) series.push(entry)
      at += 4 + bytes
    }
    return { series, next: at, more: at < end }
  }

  /** Takes over what an earlier owner left: the next series goes behind its last one, and its gauges are set to 0. */
  adopt(): readonly SeriesEntry[] {
    const { series } = this.entries(0)
    const last = series.at(-1)
    this.#nextCell = last === undefined ? 0 : last.cell + seriesWidth(last.name)
    this.zeroGauges()
    return series
  }

  /** A dead worker has no open streams: its gauges become 0, its counters and histograms stay. */
  zeroGauges(): void {
    for (const entry of this.entries(0).series) {
      if (metricDefinition(entry.name).type === 'gauge') this.cells[entry.cell] = 0
    }
  }
}

function parseEntry(text: string): SeriesEntry | undefined {
  const value: unknown = JSON.parse(text)
  if (!Array.isArray(value)) return undefined
  const [name, labels, cell]: unknown[] = value
  if (typeof name !== 'string' || !isMetricName(name)) return undefined
  if (!Array.isArray(labels) || typeof cell !== 'number') return undefined
  return { name, labels: labels.map(String), cell }
}

/** Called by the main thread when the worker of a region has died. */
export function zeroGauges(storage: MetricStorage, region: number): void {
  new MetricRegion(storage, region).zeroGauges()
}
