export { HeaderList, lowerCaseName } from './header-list.ts'
export { ByteCollector } from './byte-collector.ts'
export { parseJson, type JsonLimits } from './json.ts'
export { escapePath } from './escape-path.ts'
export { MemoryBudget } from './memory-budget.ts'
export { normalisePath, type NormalisationMode } from './normalise-path.ts'
export { formatQuery, parseQuery, type QueryArgument } from './query-arguments.ts'
export { createRequestId } from './request-id.ts'
export { mayHaveContent } from './response-content.ts'
export {
  FIELD_VALUE,
  HEX_DIGIT,
  TOKEN,
  UNRESERVED,
  isClientRequestId,
  isFieldValue,
  isToken,
} from './syntax.ts'
