import type { ModelUse } from '@pratu/plugin-kit'
import type { Flight, PinnedExchange } from '../../pipeline/index.ts'
import type { Dialect, StreamCutter } from '../dialects/index.ts'
import type { Cost } from '../prices/index.ts'
import { completionTokens, promptTokens, type Usage } from '../usage/index.ts'
import { REQUESTED_CALL } from './model-call.ts'

/** Follows a stream whose flight may run out of what it has reserved, and knows how to end it then. */
export class FlightWatch {
  readonly #flight: Flight
  readonly #cutter: StreamCutter

  private constructor(flight: Flight, cutter: StreamCutter) {
    this.#flight = flight
    this.#cutter = cutter
  }

  /** @returns `undefined` when nothing is reserved. */
  static open(exchange: PinnedExchange, dialect: Dialect): FlightWatch | undefined {
    const { flight } = exchange
    if (flight === undefined) return undefined
    const call = exchange.note(REQUESTED_CALL)
    const cutter = dialect.openCutter({
      choices: call?.choices ?? 1,
      includeUsage: call?.includeUsage ?? false,
    })
    return new FlightWatch(flight, cutter)
  }

  /** @param data of an event of the provider. */
  read(data: Buffer): void {
    this.#cutter.read(data)
  }

  progress(usage: Usage, cost: Cost): 'on' | 'cut' {
    return this.#flight.progress(useOf(usage, cost))
  }

  /** Whether the stream can be ended here as if the model had come to its own bound. */
  get endable(): boolean {
    return this.#cutter.ready
  }

  /** The events that end it. */
  end(usage: Usage): string {
    return this.#cutter.end(usage)
  }
}

/** Usage as limits count it. */
export function useOf(usage: Usage, { nanoDollars }: Cost): ModelUse {
  return {
    inputTokens: promptTokens(usage),
    outputTokens: completionTokens(usage),
    nanoDollars,
  }
}
