import { createHash } from 'node:crypto'
import { resolve } from 'node:path'
import { runBatch, type BatchOptions } from '../batch/run-batch.ts'
import type { Answered } from '../call-meta.ts'
import type { GatewayClient } from '../client.ts'
import { SYSTEM_CLOCK } from '../clock.ts'
import type { PratuError } from '../errors.ts'
import type { ChatCompletion, Embeddings } from '../openai/index.ts'
import { BatchFileError } from './batch-file-error.ts'
import { isBadLine, parseItem, readLines, type BadLine, type BatchItem } from './input.ts'
import { LineWriter, readAnswered, repairTail, type SyncPolicy } from './output.ts'

export interface BatchFileOptions extends BatchOptions {
  /** JSONL: a chat completion's body in each line, or OpenAI's batch lines. */
  readonly input: string
  /** JSONL of OpenAI's batch output, appended to; what it has answers of is not sent again. */
  readonly output: string
  /** Where items go that failed, written anew by each run; `output` with `.errors.jsonl` by default. */
  readonly errors?: string
  /** `stop` (the default) refuses to begin when a line cannot be sent; `skip` reports it and goes on. */
  readonly badLines?: 'stop' | 'skip'
  /** `interval` (once a second) by default. */
  readonly sync?: SyncPolicy
  /** Called once before anything is sent. */
  readonly onStart?: (start: BatchFileStart) => void
}

export interface BatchFileStart {
  /** Items of the input that can be sent. */
  readonly items: number
  /** Of these, how many the output had answers of. */
  readonly alreadyAnswered: number
  readonly badLines: readonly BadLine[]
  /** Bytes of a torn last line that were cut from the output. */
  readonly repairedBytes: number
}

export interface BatchFileResult extends BatchFileStart {
  readonly answered: number
  readonly failed: number
  /** Not sent, or cancelled on their way. */
  readonly notAnswered: number
  /** What ended the run early for all that were left. */
  readonly stoppedBy: PratuError | undefined
}

/**
 * Answers every request of a file once, however often it is run: the output is the record of what is done, and an answer
 * is in it before the next run could ask again. Only what was on its way when a run was killed is sent twice, under the
 * same idempotency key.
 *
 * @throws {BatchFileError} when the files do not allow it; nothing has been sent then.
 */
export async function runBatchFile(
  client: GatewayClient,
  options: BatchFileOptions,
): Promise<BatchFileResult> {
  const { input, output, badLines: policy = 'stop', sync = 'interval' } = options
  const errors = options.errors ?? `${output.replace(/\.jsonl$/, '')}.errors.jsonl`
  if (new Set([input, output, errors].map((path) => resolve(path))).size < 3)
    throw new BatchFileError('input, output and errors must be three files')
  const scan = await scanInput(input)
  if (policy === 'stop' && scan.badLines.length > 0) {
    throw new BatchFileError(`${input} has lines that cannot be sent`, scan.badLines)
  }
  const repairedBytes = await repairTail(output)
  const answered = await readAnswered(output)
  const start: BatchFileStart = {
    items: scan.hashes.size,
    alreadyAnswered: countAnswered(scan, answered, input),
    badLines: scan.badLines,
    repairedBytes,
  }
  options.onStart?.(start)
  const counts = { answered: 0, failed: 0 }
  const answers = await LineWriter.open(output, 'a', sync)
  try {
    const failures = await LineWriter.open(errors, 'w', sync)
    try {
      const stoppedBy = await runBatch<BatchItem, Answered<ChatCompletion | Embeddings>>({
        total: start.items - start.alreadyAnswered,
        items: itemsToDo(input, scan, answered),
        work: (item, gate, signal) =>
          client.batchCall(item.call, { ...callOptions(options, item), signal }, gate),
        async onSettled(item, outcome) {
          if (outcome.status === 'fulfilled') {
            await answers.write(answerLine(item, outcome.value))
            counts.answered++
          } else if (outcome.reason.kind !== 'cancelled' && outcome.reason.kind !== 'connection') {
            await failures.write(failureLine(item, outcome.reason))
            counts.failed++
          }
        },
        options,
        clock: SYSTEM_CLOCK,
        isFatal: ({ kind }) => kind === 'budget',
      })
      const notAnswered = start.items - start.alreadyAnswered - counts.answered - counts.failed
      return { ...start, ...counts, notAnswered, stoppedBy }
    } finally {
      await failures.close()
    }
  } finally {
    await answers.close()
  }
}

interface InputScan {
  /** Id → hash of every item that can be sent. */
  readonly hashes: ReadonlyMap<string, string>
  readonly badLines: readonly BadLine[]
  readonly badLineNumbers: ReadonlySet<number>
}

/** Looks at every line before the first is paid for. */
async function scanInput(path: string): Promise<InputScan> {
  const hashes = new Map<string, string>()
  const badLines: BadLine[] = []
  for await (const { line, text } of readLines(path)) {
    const item = parseItem(line, text)
    if (isBadLine(item)) badLines.push(item)
    else if (hashes.has(item.id))
      badLines.push({
        line,
        reason: `custom_id ${JSON.stringify(item.id)} stands in a line before`,
      })
    else hashes.set(item.id, item.hash)
  }
  return { hashes, badLines, badLineNumbers: new Set(badLines.map(({ line }) => line)) }
}

function countAnswered(
  { hashes }: InputScan,
  answered: ReadonlyMap<string, string | undefined>,
  input: string,
): number {
  let count = 0
  for (const [id, hash] of answered) {
    const current = hashes.get(id)
    if (current === undefined) continue
    if (hash !== undefined && hash !== current) {
      throw new BatchFileError(
        `${id} of ${input} is not what it was when it was answered; give another output, or custom_ids that stay with their requests`,
      )
    }
    count++
  }
  return count
}

async function* itemsToDo(
  path: string,
  { badLineNumbers }: InputScan,
  answered: ReadonlyMap<string, unknown>,
): AsyncGenerator<BatchItem, void> {
  for await (const { line, text } of readLines(path)) {
    if (badLineNumbers.has(line)) continue
    const item = parseItem(line, text)
    if (!isBadLine(item) && !answered.has(item.id)) yield item
  }
}

function callOptions(
  { maxRetries, timeout }: BatchFileOptions,
  { id, hash }: BatchItem,
): { readonly idempotencyKey: string } {
  const key = createHash('sha256').update(`${id}\n${hash}`).digest('hex').slice(0, 32)
  return {
    idempotencyKey: `pratu-batch-${key}`,
    ...(maxRetries === undefined ? {} : { maxRetries }),
    ...(timeout === undefined ? {} : { timeout }),
  }
}

/** OpenAI's batch output line, and the hash by which a changed input is noticed. */
function answerLine(
  { id, hash }: BatchItem,
  answer: Answered<ChatCompletion | Embeddings>,
): string {
  const { requestId, costDollars } = answer.meta
  return `${JSON.stringify({
    custom_id: id,
    response: { status_code: 200, request_id: requestId ?? null, body: answer },
    error: null,
    ...(costDollars === undefined ? {} : { cost_dollars: costDollars }),
    request_hash: hash,
  })}\n`
}

function failureLine({ id, line }: BatchItem, error: PratuError): string {
  return `${JSON.stringify({
    custom_id: id,
    line,
    response: null,
    error: {
      kind: error.kind,
      code: error.code ?? null,
      message: error.message,
      status_code: error.status ?? null,
      request_id: error.requestId ?? null,
      attempts: error.attempts,
    },
  })}\n`
}
