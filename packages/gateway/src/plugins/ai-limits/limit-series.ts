import type { Exchange, PluginCounter, PluginGauge, PluginMetrics } from '@pratu/plugin-kit'
import { PROMETHEUS_FLAGS } from '../../observe/index.ts'
import type { LimitConfig } from './config.ts'

const NANO_PER_DOLLAR = 1e9

/** The metrics of one limit; money is told in dollars. */
export class LimitSeries {
  readonly #metrics: PluginMetrics
  readonly #labels: readonly [limit: string, quantity: string]
  readonly #unit: number
  readonly #reservedByLimit: Map<string, number>
  readonly #reserved: PluginGauge
  readonly #used = new Map<string, PluginCounter>()

  /** @param reservedByLimit what is reserved now; outlives reloads, as calls do. */
  constructor(
    metrics: PluginMetrics,
    { name, quantity, limit }: LimitConfig,
    reservedByLimit: Map<string, number>,
  ) {
    const isMoney = quantity === 'nano_dollars'
    this.#metrics = metrics
    this.#labels = [name, isMoney ? 'cost' : quantity]
    this.#unit = isMoney ? NANO_PER_DOLLAR : 1
    this.#reservedByLimit = reservedByLimit
    this.#reserved = metrics.gauge('pratu_limits_reserved', this.#labels)
    this.reserve(0)
    metrics.gauge('pratu_limits_limit', this.#labels).set(limit / this.#unit)
  }

  /** @param amount negative when it is given back. */
  reserve(amount: number): void {
    const [name] = this.#labels
    const reserved = (this.#reservedByLimit.get(name) ?? 0) + amount
    this.#reservedByLimit.set(name, reserved)
    this.#reserved.set(reserved / this.#unit)
  }

  used(exchange: Exchange, amount: number): void {
    const perConsumer = exchange.note(PROMETHEUS_FLAGS)?.perConsumer === true
    const consumer = perConsumer ? (exchange.consumer?.username ?? '') : ''
    let series = this.#used.get(consumer)
    if (series === undefined) {
      series = this.#metrics.counter('pratu_limits_used_total', [...this.#labels, consumer])
      this.#used.set(consumer, series)
    }
    series.add(amount / this.#unit)
  }

  refused(mode: 'enforce' | 'report'): void {
    this.#metrics.count('pratu_limits_refused_total', [...this.#labels, mode], 1)
  }

  warned(share: number): void {
    this.#metrics.count('pratu_limits_warned_total', [...this.#labels, String(share)], 1)
  }

  cut(): void {
    this.#metrics.count('pratu_limits_cut_total', this.#labels, 1)
  }

  overshot(amount: number): void {
    this.#metrics.count('pratu_limits_overshoot_total', this.#labels, amount / this.#unit)
  }
}
