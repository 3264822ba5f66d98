/** Batches from file to file, for Node. */
export { BatchFileError } from './batch-file-error.ts'
export type { BadLine } from './input.ts'
export type { SyncPolicy } from './output.ts'
export {
  runBatchFile,
  type BatchFileOptions,
  type BatchFileResult,
  type BatchFileStart,
} from './run-batch-file.ts'
