import zlib from 'node:zlib'
import { headerValue } from '../wire/request-head.ts'
import type { HeaderPair } from '../wire/request-head.ts'

/** A compressed request may unpack to so much. */
const MAX_DECODED_BYTES = 134_217_728

export interface RequestJson {
  readonly json: unknown
  /** Why there is no JSON, in a sentence for the client. */
  readonly problem: string | undefined
}

function decode(body: Buffer, encoding: string): Buffer {
  const options = { maxOutputLength: MAX_DECODED_BYTES }
  if (encoding === 'gzip' || encoding === 'x-gzip') return zlib.gunzipSync(body, options)
  if (encoding === 'deflate') return zlib.inflateSync(body, options)
  if (encoding === 'br') return zlib.brotliDecompressSync(body, options)
  if (encoding === 'zstd') return zlib.zstdDecompressSync(body, options)
  throw new Error('the encoding is unknown (gzip, deflate, br and zstd are not)')
}

/** Reads a request body as JSON, unpacking it first where the client packed it. */
export function readRequestJson(body: Buffer, headers: readonly HeaderPair[]): RequestJson {
  if (body.length === 0) {
    return { json: undefined, problem: 'The request body is empty; a JSON object is expected.' }
  }
  const encoding = (headerValue(headers, 'content-encoding') ?? 'identity').toLowerCase()
  try {
    const bytes = encoding === 'identity' ? body : decode(body, encoding)
    const json: unknown = JSON.parse(bytes.toString('utf8'))
    return { json, problem: undefined }
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error)
    return { json: undefined, problem: `The request body could not be read as JSON: ${detail}` }
  }
}
