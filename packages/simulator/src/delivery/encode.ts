import zlib from 'node:zlib'
import type { Encoding } from '../faults/fault.ts'

function createEncoder(
  encoding: Encoding,
): zlib.Gzip | zlib.Deflate | zlib.BrotliCompress | zlib.ZstdCompress {
  if (encoding === 'gzip') return zlib.createGzip()
  if (encoding === 'deflate') return zlib.createDeflate()
  return encoding === 'br'
    ? zlib.createBrotliCompress({ params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 1 } })
    : zlib.createZstdCompress()
}

/**
 * Encodes a body in pieces, flushing after each, so that every piece can be decoded as soon as it has arrived.
 *
 * @param layers applied in this order; many layers are allowed, as an attacker would.
 * @returns as many pieces as were given; the last one also holds the trailer.
 */
export async function encodePieces(
  pieces: readonly Buffer[],
  layers: readonly Encoding[],
): Promise<readonly Buffer[]> {
  let current = pieces
  for (const layer of layers) current = await encodeLayer(current, layer)
  return current
}

async function encodeLayer(
  pieces: readonly Buffer[],
  encoding: Encoding,
): Promise<readonly Buffer[]> {
  const encoder = createEncoder(encoding)
  const failed = new Promise<never>((_resolve, reject) => encoder.once('error', reject))
  let output: Buffer[] = []
  encoder.on('data', (chunk: Buffer) => output.push(chunk))
  const encoded: Buffer[] = []
  for (const [index, piece] of pieces.entries()) {
    const last = index === pieces.length - 1
    await Promise.race([failed, last ? finish(encoder, piece) : flush(encoder, piece)])
    encoded.push(Buffer.concat(output))
    output = []
  }
  return encoded
}

function flush(encoder: ReturnType<typeof createEncoder>, piece: Buffer): Promise<void> {
  return new Promise((resolve) => {
    encoder.write(piece)
    encoder.flush(() => resolve())
  })
}

function finish(encoder: ReturnType<typeof createEncoder>, piece: Buffer): Promise<void> {
  return new Promise((resolve) => {
    encoder.once('end', resolve)
    encoder.end(piece)
  })
}
