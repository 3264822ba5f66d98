import type {
  Exchange,
  Hold,
  Ledger,
  Meter,
  ModelCall,
  ModelUse,
  RedisLimitStore,
} from '@pratu/plugin-kit'
import { createFilter, type Applies } from './applies.ts'
import type { LimitConfig } from './config.ts'
import { createScope, type ScopeOf } from './scope.ts'
import type { UsualOutput } from './usual-output.ts'

/** What a limit shares with the others of its plugin instance. */
export interface LimitDeps {
  readonly ledger: Ledger
  readonly instanceId: string
  readonly store: RedisLimitStore | undefined
  readonly usual: UsualOutput
}

/** One configured limit: whom it is for, what it asks of the ledger, and what a call's use means for it. */
export class Limit {
  readonly config: LimitConfig
  readonly meter: Meter
  /** Whether headers are enough to count: then it is taken at admission, else right before the call. */
  readonly atAdmission: boolean
  readonly #applies: Applies | undefined
  readonly #scopeOf: ScopeOf
  readonly #usual: UsualOutput

  constructor(config: LimitConfig, { ledger, instanceId, store, usual }: LimitDeps) {
    const { name, quantity, limit, window, mode, by, models } = config
    this.config = config
    this.atAdmission = quantity === 'requests' && !by.includes('model') && models === undefined
    this.#applies = createFilter(config)
    this.#scopeOf = createScope(config)
    this.#usual = usual
    const kind = window.kind === 'calendar' ? window.period : window.kind
    this.meter = ledger.meter({
      id: `ai-limits:${instanceId}:${name}:${quantity}:${kind}`,
      quantity,
      window,
      limit,
      mode,
      store,
    })
  }

  /** @returns `undefined` where the limit does not apply. */
  hold(exchange: Exchange, call: ModelCall | undefined): Hold | undefined {
    if (this.#applies !== undefined && !this.#applies(exchange, call)) return undefined
    const amount = this.#reserve(call)
    if (amount === undefined) return undefined
    const scope = this.#scopeOf(exchange, call)
    return scope === undefined ? undefined : { meter: this.meter, scope, amount }
  }

  /** Whether a budget cannot tell what this call would cost, and is not to guess. */
  refusesUnpriced(call: ModelCall): boolean {
    const { quantity, unpriced } = this.config
    return quantity === 'nano_dollars' && unpriced === 'refuse' && call.cost(1, 1) === undefined
  }

  /** What a call may use at most, as far as anybody knows; at least 1. */
  #reserve(call: ModelCall | undefined): number | undefined {
    const { quantity } = this.config
    if (quantity === 'requests' || quantity === 'concurrent_requests') return 1
    if (call === undefined) return undefined
    const input = call.inputTokens
    const output = call.maxOutputTokens ?? this.#expectedOutput(call)
    switch (quantity) {
      case 'input_tokens':
        return Math.max(1, input)
      case 'output_tokens':
        return Math.max(1, output)
      case 'total_tokens':
        return Math.max(1, input + output)
      case 'nano_dollars':
        return Math.max(1, call.cost(input, output) ?? 1)
    }
  }

  #expectedOutput(call: ModelCall): number {
    return this.#usual.expect(call.model, this.config.reserveOutput)
  }

  /** What was used, in the meter's unit; what cannot be told is as it was reserved. */
  amount({ inputTokens, outputTokens, nanoDollars }: ModelUse, reserved: number): number {
    switch (this.config.quantity) {
      case 'requests':
      case 'concurrent_requests':
        return 1
      case 'input_tokens':
        return inputTokens
      case 'output_tokens':
        return outputTokens
      case 'total_tokens':
        return inputTokens + outputTokens
      case 'nano_dollars':
        return nanoDollars ?? reserved
    }
  }
}
