export * from './entities.ts'
export * from './node-settings.ts'
export * as field from './fields.ts'
