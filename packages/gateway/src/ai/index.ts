/** What is particular to models: recognising, metering and ending AI traffic honestly. */
export { DIALECTS, type Dialect } from './dialects/index.ts'
export {
  createCallReader,
  meter,
  METERED,
  type MeteredUsage,
  type MeterOptions,
} from './metering/index.ts'
export {
  NO_OVERLAY,
  overlayOf,
  PRICE_TABLE_DATE,
  PRICE_TABLE_SOURCE,
  priceAt,
  PriceCatalogue,
  priceTable,
  Pricing,
  type Cost,
  type ModelPrice,
  type Price,
  type PricedService,
  providerId,
  type Rates,
} from './prices/index.ts'
export { createCredentialHeaders } from './credentials/credential-headers.ts'
export {
  canTell,
  examineAnswer,
  formOf,
  readRequestFacts,
  tellAnswer,
  UsageFilter,
  type AnswerForm,
  type RequestFacts,
} from './replay/index.ts'
export { completionTokens, promptTokens, type Usage } from './usage/index.ts'
