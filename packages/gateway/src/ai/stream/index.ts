export { EventScanner } from './event-scanner.ts'
export { jsonTextBytes, objectAfter } from './json-scan.ts'
