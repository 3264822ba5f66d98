import { openai } from './openai/index.ts'
import type { WireFormat } from './wire-format.ts'

/** All wire formats; the last one also answers for paths that none owns. A new one is a folder and a line here. */
const FORMATS: readonly WireFormat[] = [openai]

export function formatFor(path: string): WireFormat {
  return FORMATS.find((format) => format.owns(path)) ?? openai
}
