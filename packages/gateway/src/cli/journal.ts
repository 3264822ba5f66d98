import { Command } from 'commander'
import { readSegments, type ReadingReport } from '../journal/index.ts'
import { createTerminal } from './terminal.ts'

const HELP = `
Reads every record of a directory (PRATU_JOURNAL_DIR) and judges it. Lines are JSON: jq reads them too.

  pratu journal verify /var/lib/pratu/journal

Exits with 1 when a record is damaged or there twice; a torn end after a crash is no fault.`

/** `pratu journal verify`: whether a journal is whole, and what it adds up to. */
export function journalCommand(): Command {
  const journal = new Command('journal').description('read the usage journal')
  journal
    .command('verify')
    .description('check the records of a directory, and add them up')
    .argument('<directory>', 'where the journal is')
    .option('--json', 'print JSON')
    .addHelpText('after', HELP)
    .action(async (directory: string, options: { readonly json?: boolean }) => {
      process.exitCode = await verify(directory, options.json === true)
    })
  return journal
}

interface Verified extends ReadingReport {
  readonly duplicates: number
  readonly unpriced: number
  readonly nanoDollars: number
  readonly firstAtMs: number
  readonly lastAtMs: number
}

async function verify(directory: string, json: boolean): Promise<number> {
  let found: Verified
  try {
    found = await addUp(directory)
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    process.stderr.write(`${directory} cannot be read: ${reason}\n`)
    return 1
  }
  if (json) printJson(found)
  else printText(directory, found)
  return found.damaged > 0 || found.duplicates > 0 ? 1 : 0
}

async function addUp(directory: string): Promise<Verified> {
  const ids = new Set<string>()
  let duplicates = 0
  let unpriced = 0
  let nanoDollars = 0
  let firstAtMs = Number.POSITIVE_INFINITY
  let lastAtMs = 0
  const report = await readSegments(directory, ({ id, atMs, costNanoDollars, usage }) => {
    if (ids.has(id)) duplicates += 1
    ids.add(id)
    nanoDollars += costNanoDollars ?? 0
    if (costNanoDollars === undefined && (usage?.source ?? 'none') !== 'none') unpriced += 1
    firstAtMs = Math.min(firstAtMs, atMs)
    lastAtMs = Math.max(lastAtMs, atMs)
  })
  return { ...report, duplicates, unpriced, nanoDollars, firstAtMs, lastAtMs }
}

function printJson(found: Verified): void {
  const { segments, records, torn, damaged, duplicates, unpriced, nanoDollars } = found
  const body = {
    segments,
    records,
    torn,
    damaged,
    duplicates,
    unpriced,
    cost_nano_dollars: nanoDollars,
    ...(records === 0 ? {} : { first_at: found.firstAtMs, last_at: found.lastAtMs }),
  }
  process.stdout.write(`${JSON.stringify(body)}\n`)
}

function printText(directory: string, found: Verified): void {
  const terminal = createTerminal(process.stdout, process.env)
  const { segments, records, torn, damaged, duplicates, unpriced, nanoDollars } = found
  const count = (number: number): string => number.toLocaleString('en')
  terminal.line(
    `${terminal.bold(directory)}  ${count(records)} records in ${count(segments)} files`,
  )
  if (records > 0) {
    const day = (ms: number): string => new Date(ms).toISOString()
    terminal.line(`  from ${day(found.firstAtMs)} to ${day(found.lastAtMs)}`)
    terminal.line(`  $${(nanoDollars / 1e9).toFixed(6)}, ${count(unpriced)} calls unpriced`)
  }
  if (torn > 0) terminal.line(terminal.dim(`  ${count(torn)} torn ends were left out`))
  if (damaged > 0) terminal.line(terminal.red(`  ${count(damaged)} records are damaged`))
  if (duplicates > 0) terminal.line(terminal.red(`  ${count(duplicates)} records are there twice`))
  if (damaged === 0 && duplicates === 0) terminal.line(terminal.green('  whole'))
}
