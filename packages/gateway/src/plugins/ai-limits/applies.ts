import type { Exchange, ModelCall } from '@pratu/plugin-kit'
import type { LimitConfig } from './config.ts'

/** Whether a limit is for this exchange at all. */
export type Applies = (exchange: Exchange, call: ModelCall | undefined) => boolean

/** @returns `undefined` for a limit that is for everyone. */
export function createFilter(limit: LimitConfig): Applies | undefined {
  const filters: Applies[] = []
  const { consumers, groups, tags, models } = limit
  if (consumers !== undefined) {
    const known = new Set(consumers)
    filters.push(
      ({ consumer }) =>
        consumer !== undefined && (known.has(consumer.username ?? '') || known.has(consumer.id)),
    )
  }
  if (groups !== undefined) {
    const known = new Set(groups)
    filters.push(({ consumer }) => consumer?.groups.some((group) => known.has(group)) === true)
  }
  if (tags !== undefined) {
    const known = new Set(tags)
    filters.push(({ consumer }) => consumer?.tags.some((tag) => known.has(tag)) === true)
  }
  if (models !== undefined) {
    const isModel = createModelFilter(models)
    filters.push((_exchange, call) => call !== undefined && isModel(call.model ?? ''))
  }
  if (filters.length === 0) return undefined
  return (exchange, call) => filters.every((filter) => filter(exchange, call))
}

/** Names, or beginnings of names that end in `*`. */
function createModelFilter(models: readonly string[]): (model: string) => boolean {
  const names = new Set(models.filter((model) => !model.endsWith('*')))
  const beginnings = models
    .filter((model) => model.endsWith('*'))
    .map((model) => model.slice(0, -1))
  return (model) => names.has(model) || beginnings.some((beginning) => model.startsWith(beginning))
}
