import type { CompleteAnswer, Frame } from '../formats/answer.ts'
import type { WireFormat } from '../formats/wire-format.ts'
import type { BreakPoint, Fault } from '../faults/fault.ts'
import { encodePieces } from './encode.ts'
import type { SpoiltAnswer, SpoiltStream } from './spoil-answer.ts'
import { malformedEvent, quirkFrames } from './stream-quirks.ts'

/** Bytes that are written together. */
export interface Piece {
  readonly bytes: Buffer
  /** Which token of a stream this is, from 1; 0 for anything else, which is not paced. */
  readonly token: number
}

/** The body of a faulty answer as it goes on the wire, before transfer coding. */
export interface BodyPlan {
  readonly pieces: Iterable<Piece>
  readonly totalBytes: number
  /** How many body bytes come before the place. */
  offsetOf(point: BreakPoint): number
}

const FILL = Buffer.alloc(65_536, 'a')

/** So many bytes of filling, without holding them. */
function* filling(bytes: number): Generator<Piece, void> {
  for (let left = bytes; left > 0; left -= FILL.length) {
    yield { bytes: left >= FILL.length ? FILL : FILL.subarray(0, left), token: 0 }
  }
}

function* concatenate(...parts: Iterable<Piece>[]): Generator<Piece, void> {
  for (const part of parts) yield* part
}

/** @returns the offset that a place names without counting tokens; `undefined` for the others. */
function bytesBefore(point: BreakPoint): number | undefined {
  if (point === 'after-headers') return 0
  return point.startsWith('after-bytes:') ? Number(point.slice('after-bytes:'.length)) : undefined
}

function completePlan(pieces: Iterable<Piece>, totalBytes: number): BodyPlan {
  return {
    pieces,
    totalBytes,
    offsetOf: (point) => Math.min(totalBytes, bytesBefore(point) ?? Math.floor(totalBytes / 2)),
  }
}

/** A JSON string of exactly `bytes` bytes (at least 2), generated as it is sent. */
function paddedJson(bytes: number): BodyPlan {
  const quote: Piece = { bytes: Buffer.from('"'), token: 0 }
  return completePlan(
    concatenate([quote], filling(Math.max(0, bytes - 2)), [quote]),
    Math.max(2, bytes),
  )
}

async function planComplete(answer: CompleteAnswer, fault: Fault): Promise<BodyPlan> {
  if (fault.sizeBytes !== undefined) return paddedJson(fault.sizeBytes)
  let body = Buffer.from(answer.body)
  if (fault.bombBytes !== undefined)
    body = Buffer.concat([body, Buffer.alloc(Math.max(0, fault.bombBytes - body.length), ' ')])
  if (fault.encoding !== undefined) {
    const [encoded] = await encodePieces([body], fault.encoding)
    body = Buffer.from(encoded ?? '')
    if (fault.encodingTruncated === true) body = body.subarray(0, Math.floor(body.length / 2))
  }
  return completePlan([{ bytes: body, token: 0 }], body.length)
}

interface Event {
  readonly kind: Frame['kind'] | 'inserted'
  readonly bytes: Buffer
}

/** The strange events come right behind the first token. */
function insertEvents(frames: readonly Frame[], fault: Fault, format: WireFormat): Event[] {
  const events: Event[] = frames.map(({ kind, text }) => ({ kind, bytes: Buffer.from(text) }))
  const inserted: Buffer[] = []
  if (fault.malformedEvent !== undefined && fault.malformedEvent !== 'unterminated')
    inserted.push(malformedEvent(fault.malformedEvent))
  if (fault.hugeEventBytes !== undefined)
    inserted.push(Buffer.from(format.paddingFrame(fault.hugeEventBytes).text))
  if (fault.bombBytes !== undefined)
    inserted.push(Buffer.from(format.paddingFrame(fault.bombBytes).text))
  if (fault.unterminatedBytes !== undefined)
    inserted.push(Buffer.alloc(fault.unterminatedBytes, 'a'))
  const firstToken = events.findIndex((event) => event.kind === 'token')
  events.splice(
    firstToken < 0 ? events.length : firstToken + 1,
    0,
    ...inserted.map((bytes): Event => ({ kind: 'inserted', bytes })),
  )
  if (fault.malformedEvent === 'unterminated') {
    const terminal = events.findIndex((event) => event.kind === 'terminal')
    events.splice(terminal < 0 ? events.length : terminal, events.length, {
      kind: 'inserted',
      bytes: malformedEvent('unterminated'),
    })
  }
  return events
}

async function planStream(
  answer: SpoiltStream,
  fault: Fault,
  format: WireFormat,
): Promise<BodyPlan> {
  const events = insertEvents(quirkFrames(answer.frames, fault.stream ?? []), fault, format)
  let encoded: readonly Buffer[] = events.map((event) => event.bytes)
  if (fault.encoding !== undefined) encoded = await encodePieces(encoded, fault.encoding)
  const pieces: Piece[] = []
  /** Body bytes up to and including each token; index 0 = before the first one. */
  const tokenEnds: number[] = []
  let totalBytes = 0
  let terminalAt: number | undefined
  for (const [index, event] of events.entries()) {
    const bytes = encoded[index] ?? FILL.subarray(0, 0)
    const isToken = event.kind === 'token'
    if (isToken && tokenEnds.length === 0) tokenEnds.push(totalBytes)
    if (event.kind === 'terminal') terminalAt ??= totalBytes
    totalBytes += bytes.length
    pieces.push({ bytes, token: isToken ? tokenEnds.length : 0 })
    if (isToken) tokenEnds.push(totalBytes)
  }
  const beforeTerminal = terminalAt ?? totalBytes
  return {
    pieces,
    totalBytes: fault.encodingTruncated === true ? Math.floor(totalBytes / 2) : totalBytes,
    offsetOf(point) {
      const bytes = bytesBefore(point)
      if (bytes !== undefined) return Math.min(totalBytes, bytes)
      if (point === 'before-terminal') return beforeTerminal
      const token = point.startsWith('after-tokens:')
        ? Number(point.slice('after-tokens:'.length))
        : Math.floor((tokenEnds.length - 1) / 2)
      return tokenEnds[token] ?? beforeTerminal
    },
  }
}

/** Lays out the body that the fault asks for. */
export function planBody(
  answer: SpoiltAnswer,
  fault: Fault,
  format: WireFormat,
): Promise<BodyPlan> {
  return answer.kind === 'complete'
    ? planComplete(answer, fault)
    : planStream(answer, fault, format)
}
