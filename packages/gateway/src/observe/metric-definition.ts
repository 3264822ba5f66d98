/** What a metric is: its entry in the one list of names. */
export interface MetricDefinition {
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly help: string
  readonly labels: readonly string[]
  /** Upper bounds of a histogram, ascending, without `+Inf`; in the unit of the name. */
  readonly buckets?: readonly number[]
  /** How the workers' values of a gauge become one; default `sum`. */
  readonly across?: 'sum' | 'max'
  /** `article`: a `kong_` name that exists in no Kong version; absent under `compatibility: kong`. */
  readonly origin?: 'article'
}
