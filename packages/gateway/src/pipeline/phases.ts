import type { Admission, Awaitable, Decision, Hold, Plugin, Reply } from '@pratu/plugin-kit'
import { comparePlugins } from './plan.ts'
import type { LiveExchange } from './exchange.ts'

/** Runs the global plugins' `rewrite`, before routing. */
export function runRewrite(exchange: LiveExchange): Reply | undefined {
  const { rewrite } = exchange.snapshot.globals
  for (const plugin of rewrite) {
    const reply = plugin.rewrite?.(exchange)
    if (reply !== undefined) return reply
  }
  return undefined
}

/**
 * Runs `access` of the exchange's plan, admission in its place. Synchronous, and free of promises, as long as every
 * plugin is.
 *
 * @returns the first reply, or `undefined` when the request may pass.
 */
export function runAccess(
  exchange: LiveExchange,
  from = 0,
  admit = true,
): Awaitable<Reply | undefined> {
  let { plan } = exchange
  for (let i = from; i < plan.access.length; i++) {
    const bound = plan.access[i]
    if (bound === undefined) break
    if (i === plan.admissionAt && admit) {
      const reply = runAdmission(exchange)
      if (reply instanceof Promise) {
        return reply.then(
          (late) => late ?? (exchange.cancelled ? undefined : runAccess(exchange, i, false)),
        )
      }
      if (reply !== undefined) return reply
    }
    const { plugin } = bound
    if (plugin.access === undefined) continue
    exchange.current = bound
    const reply = plugin.access(exchange)
    if (reply instanceof Promise) {
      return reply.then(
        (late) =>
          late ?? (exchange.cancelled ? undefined : runAccess(exchange, indexAfter(exchange, i))),
      )
    }
    if (reply !== undefined) return reply
    if (exchange.plan !== plan) {
      i = indexAfter(exchange, i) - 1
      plan = exchange.plan
    }
  }
  return undefined
}

/** Where to go on in the exchange's plan, which `identify` may have changed while `access` of `current` ran. */
function indexAfter(exchange: LiveExchange, index: number): number {
  const { plan, current } = exchange
  if (current === undefined || plan.access[index] === current) return index + 1
  const next = plan.access.findIndex((bound) => comparePlugins(bound, current) > 0)
  return next < 0 ? plan.access.length : next
}

/** One `reserve` for the holds of all limiting plugins: all or nothing (architecture §3.4a). */
function runAdmission(exchange: LiveExchange): Awaitable<Reply | undefined> {
  const { limiters } = exchange.plan
  const holds: Hold[] = []
  const ends: number[] = []
  for (const plugin of limiters) {
    const wanted = plugin.holds?.(exchange)
    if (wanted !== undefined) for (const hold of wanted) holds.push(hold)
    ends.push(holds.length)
  }
  if (holds.length === 0) return undefined
  const decision = exchange.snapshot.context.ledger.reserve(holds)
  return decision instanceof Promise
    ? decision.then((late) => settleAdmission(exchange, limiters, ends, late))
    : settleAdmission(exchange, limiters, ends, decision)
}

function settleAdmission(
  exchange: LiveExchange,
  limiters: readonly Plugin[],
  ends: readonly number[],
  decision: Decision,
): Reply | undefined {
  if (decision.admitted) {
    // The client may have gone while a remote store answered; its exchange has settled and cannot give anything back.
    if (exchange.settled) decision.reservation.close(decision.meters.map(() => 0))
    else exchange.admit(decision.reservation, decision.meters.length)
    tellAdmitted(exchange, limiters, ends, decision)
    return undefined
  }
  let start = 0
  for (let i = 0; i < limiters.length; i++) {
    const end = ends[i] ?? start
    if (decision.hold >= start && decision.hold < end) {
      return limiters[i]?.refused?.(exchange, {
        hold: decision.hold - start,
        retryAfterMs: decision.retryAfterMs,
        permanent: decision.permanent,
        meters: decision.meters.slice(start, end),
      })
    }
    start = end
  }
  return undefined
}

function tellAdmitted(
  exchange: LiveExchange,
  limiters: readonly Plugin[],
  ends: readonly number[],
  { meters }: Admission,
): void {
  let start = 0
  for (let i = 0; i < limiters.length; i++) {
    const end = ends[i] ?? start
    if (end > start) {
      const whole = start === 0 && end === meters.length
      limiters[i]?.admitted?.(exchange, whole ? meters : meters.slice(start, end))
    }
    start = end
  }
}

/** Runs the `log` phase. One plugin's failure keeps no other from running. */
export function runLog(exchange: LiveExchange): void {
  for (const plugin of exchange.plan.log) {
    try {
      plugin.log?.(exchange, exchange.outcome)
    } catch (error) {
      exchange.snapshot.context.observer.failed(exchange, error)
    }
  }
}
