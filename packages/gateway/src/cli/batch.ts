import type { BatchProgress } from '@pratu/client'
import type { BatchFileOptions, BatchFileResult } from '@pratu/client/batch-file'
import { Command, InvalidArgumentError, Option } from 'commander'
import { createProgress } from './batch-progress.ts'

interface BatchCommandOptions {
  readonly output: string
  readonly errors?: string
  readonly concurrency: number
  readonly maxRetries: number
  readonly maxWait: number
  readonly timeout: number
  readonly gateway?: string
  readonly skipBadLines?: true
  readonly sync: 'always' | 'interval' | 'never'
}

const HELP = `
Each input line is the body of a chat completion, or a line of OpenAI's batch format:

  {"model":"gpt-4.1","messages":[{"role":"user","content":"hi"}]}
  {"custom_id":"a-1","method":"POST","url":"/v1/chat/completions","body":{"model":"gpt-4.1","messages":[…]}}

The key comes from PRATU_API_KEY. Run the same command again after an interruption: what is answered stays, the rest is
sent. Ctrl-C lets nothing new begin and cancels what is under way.

Exits with 0 when every item is answered, 1 when files or options do not allow the run or it was stopped, 2 when items
failed or lines were skipped, 130 after Ctrl-C.`

/** How many bad lines are told one by one. */
const SHOWN_BAD_LINES = 20

/** `pratu batch in.jsonl -o out.jsonl`: many requests, bounded, resumable. */
export function batchCommand(): Command {
  return new Command('batch')
    .description('answer a file of requests, and resume where it was interrupted')
    .argument('<input>', 'JSONL file of requests')
    .requiredOption('-o, --output <file>', 'JSONL file that answers are appended to')
    .option('--errors <file>', 'file of items that failed (default: beside the output)')
    .option('--concurrency <n>', 'requests under way at the same time', whole, 50)
    .option('--max-retries <n>', 'tries of an item after its first', whole0, 5)
    .option('--max-wait <seconds>', 'the longest wait that an answer may ask for', whole, 300)
    .option('--timeout <seconds>', 'the longest wait for an answer', whole, 120)
    .option('--gateway <url>', 'the gateway (default: PRATU_GATEWAY_URL, else 127.0.0.1:8000)')
    .option('--skip-bad-lines', 'go on without lines that cannot be sent')
    .addOption(
      new Option('--sync <when>', 'when answers are forced onto the disk')
        .choices(['always', 'interval', 'never'])
        .default('interval'),
    )
    .addHelpText('after', HELP)
    .action(async (input: string, options: BatchCommandOptions) => {
      process.exitCode = await batch(input, options)
    })
}

async function batch(input: string, options: BatchCommandOptions): Promise<number> {
  // Loaded here, so that other commands start without them.
  const { PratuClient } = await import('@pratu/client')
  const { BatchFileError, runBatchFile } = await import('@pratu/client/batch-file')
  const abort = new AbortController()
  const onInterrupt = (): void => abort.abort()
  process.once('SIGINT', onInterrupt)
  process.once('SIGTERM', onInterrupt)
  const progress = createProgress(process.stderr)
  try {
    await using client = new PratuClient({
      ...(options.gateway === undefined ? {} : { gatewayUrl: options.gateway }),
      timeout: options.timeout * 1_000,
      backoff: { maxRetryAfter: options.maxWait * 1_000 },
      pool: { maxConnections: Math.max(200, options.concurrency) },
    })
    const result = await runBatchFile(client, {
      ...fileOptions(input, options),
      signal: abort.signal,
      onStart({ items, alreadyAnswered, badLines, repairedBytes }) {
        tellBadLines(input, badLines)
        if (repairedBytes > 0) say(`${options.output}: a torn last line was cut`)
        if (alreadyAnswered > 0) say(`${alreadyAnswered} of ${items} answered before`)
      },
      onProgress: (now: BatchProgress) => progress.show(now),
    })
    progress.end()
    const { costDollars } = client.usage
    tellResult(result, costDollars)
    return exitCode(result, abort.signal.aborted)
  } catch (error) {
    progress.end()
    if (error instanceof BatchFileError) {
      tellBadLines(input, error.badLines)
      say(
        `${error.message}${error.badLines.length > 0 ? '; --skip-bad-lines goes on without them' : ''}`,
      )
      return 1
    }
    if (error instanceof TypeError || isSystemError(error)) {
      say(error.message)
      return 1
    }
    throw error
  } finally {
    process.off('SIGINT', onInterrupt)
    process.off('SIGTERM', onInterrupt)
  }
}

function fileOptions(input: string, options: BatchCommandOptions): BatchFileOptions {
  return {
    input,
    output: options.output,
    ...(options.errors === undefined ? {} : { errors: options.errors }),
    concurrency: options.concurrency,
    maxRetries: options.maxRetries,
    badLines: options.skipBadLines === true ? 'skip' : 'stop',
    sync: options.sync,
  }
}

function exitCode({ stoppedBy, failed, badLines }: BatchFileResult, interrupted: boolean): number {
  if (interrupted) return 130
  if (stoppedBy !== undefined) return 1
  return failed > 0 || badLines.length > 0 ? 2 : 0
}

function tellResult(result: BatchFileResult, costDollars: number): void {
  const { answered, alreadyAnswered, failed, notAnswered, stoppedBy } = result
  if (stoppedBy !== undefined) say(`stopped: ${stoppedBy.name}: ${stoppedBy.message}`)
  const parts = [
    `${answered} answered`,
    ...(alreadyAnswered > 0 ? [`${alreadyAnswered} before`] : []),
    ...(failed > 0 ? [`${failed} failed`] : []),
    ...(notAnswered > 0 ? [`${notAnswered} left: run the same command again`] : []),
    ...(costDollars > 0 ? [`$${costDollars.toFixed(6)}`] : []),
  ]
  say(parts.join(', '))
}

function tellBadLines(input: string, badLines: BatchFileResult['badLines']): void {
  for (const { line, reason } of badLines.slice(0, SHOWN_BAD_LINES))
    say(`${input}:${line}: ${reason}`)
  if (badLines.length > SHOWN_BAD_LINES)
    say(`${input}: ${badLines.length - SHOWN_BAD_LINES} more lines that cannot be sent`)
}

function say(text: string): void {
  process.stderr.write(`${text}\n`)
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'syscall' in error
}

function whole(text: string): number {
  return wholeFrom(text, 1)
}

function whole0(text: string): number {
  return wholeFrom(text, 0)
}

function wholeFrom(text: string, least: number): number {
  const value = Number(text)
  if (/^\d+$/.test(text) && value >= least && value <= 1_000_000) return value
  throw new InvalidArgumentError(`a whole number from ${least} to 1000000.`)
}
