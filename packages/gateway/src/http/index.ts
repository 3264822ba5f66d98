export { HeaderList, lowerCaseName } from './header-list.ts'
export { MemoryBudget } from './memory-budget.ts'
export { createRequestId } from './request-id.ts'
