import type { MetricDefinition } from './metric-definition.ts'

/** The part of the one list of metric names that tells of limits, and of the journal that their spend is rebuilt from. */
export const LIMIT_METRICS = {
  pratu_limits_degraded: {
    type: 'gauge',
    help: '1 while limits do what they are told to do while their store is away',
    labels: [],
    across: 'max',
  },
  pratu_limits_corrections_waiting_bytes: {
    type: 'gauge',
    help: 'What shared limits have not been told yet of requests that are over',
    labels: [],
  },
  pratu_limits_corrections_lost_total: {
    type: 'counter',
    help: 'Corrections of shared limits given up: too many waited, or the store refused them',
    labels: [],
  },

  // The plugin ai-limits
  pratu_limits_limit: {
    type: 'gauge',
    help: 'What a limit of ai-limits admits per window; cost in dollars',
    labels: ['limit', 'quantity'],
    across: 'max',
  },
  pratu_limits_used_total: {
    type: 'counter',
    help: 'What was counted against a limit, settled to the truth; cost in dollars',
    labels: ['limit', 'quantity', 'consumer'],
  },
  pratu_limits_reserved: {
    type: 'gauge',
    help: 'What calls under way have reserved of a limit; cost in dollars',
    labels: ['limit', 'quantity'],
  },
  pratu_limits_refused_total: {
    type: 'counter',
    help: 'Requests that a limit refused, or with mode report would have',
    labels: ['limit', 'quantity', 'mode'],
  },
  pratu_limits_warned_total: {
    type: 'counter',
    help: 'Times that a warn_at share of a limit was crossed',
    labels: ['limit', 'quantity', 'share'],
  },
  pratu_limits_cut_total: {
    type: 'counter',
    help: 'Streams that were ended because a limit was used up',
    labels: ['limit', 'quantity'],
  },
  pratu_limits_overshoot_total: {
    type: 'counter',
    help: 'What calls used beyond a limit, as far as this replica knows; cost in dollars',
    labels: ['limit', 'quantity'],
  },

  // The usage journal
  pratu_journal_records_total: {
    type: 'counter',
    help: 'Usage records written',
    labels: [],
  },
  pratu_journal_dropped_total: {
    type: 'counter',
    help: 'Usage records lost because they could not be written as fast as they came, or before the end',
    labels: [],
  },
  pratu_journal_waiting_bytes: {
    type: 'gauge',
    help: 'Bytes of usage records that wait to be written',
    labels: [],
  },
  pratu_journal_failing: {
    type: 'gauge',
    help: '1 while usage records cannot be written',
    labels: [],
    across: 'max',
  },
} as const satisfies Readonly<Record<string, MetricDefinition>>
