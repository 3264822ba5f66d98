import { Command, CommanderError } from 'commander'
import { PRATU_VERSION } from '../runtime/index.ts'
import { batchCommand } from './batch.ts'
import { checkCommand } from './check.ts'
import { journalCommand } from './journal.ts'
import { keysCommand } from './keys.ts'
import { limitsCommand } from './limits.ts'
import { pricesCommand } from './prices.ts'
import { schemaCommand } from './schema.ts'
import { startCommand } from './start.ts'
import { versionCommand } from './version.ts'

const EXAMPLES = `
Examples:
  pratu start                          try it: a simulated provider, one key, everything on
  pratu start --config kong.yml        serve your configuration
  pratu check kong.yml                 what is wrong with it, and what could be better
  pratu keys new                       a key for a consumer, and the hash to put into the file
  pratu prices gpt-4.1                 what models cost, and the date of these prices
  pratu limits show                    what limits have counted in a running gateway
  pratu batch in.jsonl -o out.jsonl    a file of requests, bounded and resumable
  pratu schema > pratu.schema.json     completion and checks for your editor

Settings also come from the environment (PRATU_*, and KONG_* with Kong's meaning): docs/node-settings.md
`

/** @param argv as `process.argv`. Sets the exit code; ends the process only where a command says so. */
export async function main(argv: readonly string[]): Promise<void> {
  // `pratu schema | head` closes the pipe early: that is the reader's right, not a failure.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0)
    throw error
  })
  const program = new Command('pratu')
    .description(
      "An AI API gateway: Kong's configuration, exact limits, honest streaming, metered.",
    )
    .version(PRATU_VERSION, '-v, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand('help [command]', 'print the help of a command')
    .showHelpAfterError('(pratu --help tells more)')
    .addHelpText('after', EXAMPLES)
    .exitOverride()
  for (const command of [
    startCommand(),
    checkCommand(),
    batchCommand(),
    journalCommand(),
    keysCommand(),
    limitsCommand(),
    pricesCommand(),
    schemaCommand(),
    versionCommand(),
  ]) {
    program.addCommand(command.exitOverride())
  }
  try {
    await program.parseAsync(argv)
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    // Help and version are no failures; commander has printed what there is to say.
    process.exitCode = error.exitCode
  }
}
