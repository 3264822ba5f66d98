/** What is particular to models: recognising, metering and ending AI traffic honestly. */
export { DIALECTS, type Dialect } from './dialects/index.ts'
export { meter, METERED, type MeteredUsage, type MeterOptions } from './metering/index.ts'
export { createCredentialHeaders } from './credentials/credential-headers.ts'
export { completionTokens, promptTokens, type Usage } from './usage/index.ts'
