import type { Answer, CompleteAnswer, Frame } from '../formats/answer.ts'
import type { Problem, WireFormat } from '../formats/wire-format.ts'
import type { Fault } from '../faults/fault.ts'

const STATUS_MESSAGES: Readonly<Record<number, string>> = {
  400: 'Simulated bad request.',
  401: 'Simulated rejection of the API key.',
  403: 'Simulated refusal: not allowed.',
  404: 'Simulated: not found.',
  408: 'Simulated request timeout.',
  429: 'Simulated rate limit. Please retry later.',
  500: 'Simulated server error.',
  502: 'Simulated bad gateway.',
  503: 'Simulated: the engine is overloaded. Please try again later.',
  529: 'Simulated: overloaded.',
}

/** An answer whose events are all known, so that places in it can be counted. */
export interface SpoiltStream {
  readonly kind: 'frames'
  readonly status: number
  readonly headers: CompleteAnswer['headers']
  readonly frames: readonly Frame[]
}

export type SpoiltAnswer = CompleteAnswer | SpoiltStream

/** The error that `error` tells of inside an answer. */
export function streamProblem(fault: Fault): Problem {
  const { code = 'server_error', message = 'Simulated failure in the middle of an answer.' } =
    fault.error ?? {}
  return { status: 500, type: 'server_error', code, message }
}

function withType(
  headers: CompleteAnswer['headers'],
  contentType: string | undefined,
): CompleteAnswer['headers'] {
  if (contentType === undefined) return headers
  return [...headers.filter(([name]) => name !== 'content-type'), ['content-type', contentType]]
}

function replaced(answer: Answer, fault: Fault, format: WireFormat): CompleteAnswer | undefined {
  if (fault.body !== undefined) {
    const headers =
      answer.kind === 'complete'
        ? answer.headers
        : format.error({ status: 500, message: '' }).headers
    return { kind: 'complete', status: fault.status ?? answer.status, headers, body: fault.body }
  }
  if (fault.status !== undefined && fault.status >= 400) {
    const message = STATUS_MESSAGES[fault.status] ?? `Simulated status ${fault.status}.`
    return format.error({
      status: fault.status,
      message,
      ...(fault.error === undefined ? {} : fault.error),
    })
  }
  // Some hosts answer 200 with an error inside; a stream gets its error event where the delivery breaks it off.
  if (fault.break?.how === 'error' && answer.kind === 'complete') {
    return { ...format.error(streamProblem(fault)), status: fault.status ?? 200 }
  }
  return undefined
}

function cutBody(answer: CompleteAnswer): CompleteAnswer {
  const bytes = Buffer.from(answer.body)
  return { ...answer, body: bytes.subarray(0, Math.floor(bytes.length / 2)) }
}

/** Changes what an answer says; how it is delivered comes later. */
export function spoilAnswer(answer: Answer, fault: Fault, format: WireFormat): SpoiltAnswer {
  const result = replaced(answer, fault, format) ?? answer
  const status = fault.status ?? result.status
  const headers = withType(result.headers, fault.contentType)
  if (result.kind === 'complete') {
    const complete: CompleteAnswer = { ...result, status, headers }
    return fault.invalidJson === true ? cutBody(complete) : complete
  }
  const frames: Frame[] = []
  for (let next = result.frames.next(); next.done !== true; next = result.frames.next()) {
    frames.push(fault.invalidJson === true ? cutFrame(next.value) : next.value)
  }
  return { kind: 'frames', status, headers, frames }
}

function cutFrame(frame: Frame): Frame {
  if (frame.kind === 'terminal') return frame
  return { ...frame, text: `${frame.text.slice(0, Math.floor(frame.text.length / 2))}\n\n` }
}
