import { definePlugin, type Plugin } from '@pratu/plugin-kit'
import { PROMETHEUS_FLAGS, type PrometheusFlags } from '../../observe/index.ts'
import { prometheusSchema, type PrometheusConfig } from './config.ts'

/**
 * Says which of Kong's per-route families an exchange is recorded in, and whether by consumer (kong.md §3.6). The
 * recording itself is the node's: `observe/` does it once per exchange, right after the log phase.
 */
export const prometheus = definePlugin<PrometheusConfig>({
  name: 'prometheus',
  priority: 13,
  schema: prometheusSchema,

  create(config): Plugin {
    const flags: PrometheusFlags = config
    return {
      log(exchange) {
        exchange.setNote(PROMETHEUS_FLAGS, flags)
      },
    }
  },
})
