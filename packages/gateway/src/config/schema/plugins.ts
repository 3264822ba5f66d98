import * as field from '../fields.ts'
import { shared } from '../shared-values.ts'
import { commonFields, defineCollection } from './collection.ts'

const PLUGIN_PROTOCOLS = [
  'grpc',
  'grpcs',
  'http',
  'https',
  'tcp',
  'tls',
  'tls_passthrough',
  'udp',
  'ws',
  'wss',
] as const

export const plugins = defineCollection({
  name: 'plugins',
  singular: 'plugin',
  schema: field.record({
    ...commonFields,
    name: field.string(),
    instance_name: field.optional(field.name()),
    route: field.optional(field.string()),
    service: field.optional(field.string()),
    consumer: field.optional(field.string()),
    // The plugin's own schema judges what is inside.
    config: field.optional(field.looseRecord()),
    protocols: field.optional(field.set(field.enumeration(PLUGIN_PROTOCOLS))),
    enabled: field.boolean(true),
  }),
  references: { route: 'routes', service: 'services', consumer: 'consumers' },
  nameField: 'instance_name',
  unique: ['instance_name'],
  key: (value, { reference }) =>
    `plugins:*:${value.name}:${reference('route')}:${reference('service')}:${reference('consumer')}`,
  build(value, row, context) {
    const routeId = context.resolve(row, 'route', value.route)
    const serviceId = context.resolve(row, 'service', value.service)
    const consumerId = context.resolve(row, 'consumer', value.consumer)
    if (consumerId !== undefined && context.plugins.refusesConsumer(value.name))
      context.report(row, {
        code: 'invalid-value',
        field: ['consumer'],
        message: 'value must be null',
        hint: `${value.name} cannot be limited to a consumer: it runs before the consumer is known`,
      })
    const scope = [value.name, routeId, serviceId, consumerId].join(' ')
    if (!context.claim('plugins', `scope=${scope}`))
      context.report(row, {
        code: 'duplicate',
        field: [],
        message: `uniqueness violation: 'plugins' entity with primary key set to '${row.id}' already declared`,
        hint: `${value.name} is already configured for the same route, service and consumer`,
      })
    const read = context.plugins.read(row, value.name, value.config ?? {})
    if (read === undefined) return
    context.configNumbers.push(read.source)
    context.lists.plugins.push({
      id: row.id,
      name: value.name,
      instanceName: value.instance_name,
      routeId,
      serviceId,
      consumerId,
      config: read.config,
      enabled: value.enabled,
      tags: shared(value.tags),
    })
  },
})
