export { EventScanner } from './event-scanner.ts'
export { jsonTextBytes, objectAfter, stringMember } from './json-scan.ts'
