import { hash } from 'node:crypto'
import { Command } from 'commander'
import { newKey } from './demo.ts'
import { createTerminal } from './terminal.ts'

/** `pratu keys new`: a key, and the hash that goes into the configuration in its place. */
export function keysCommand(): Command {
  const keys = new Command('keys').description('make keys for consumers')
  keys
    .command('new')
    .description('print a new key and its hash; the key is shown only now')
    .option('--consumer <username>', 'the consumer in the printed example', 'my-app')
    .option('--format <format>', 'text or json', 'text')
    .action(({ consumer, format }: { consumer: string; format: string }) => {
      const key = newKey()
      const keySha256 = hash('sha256', key, 'hex')
      if (format === 'json') {
        process.stdout.write(`${JSON.stringify({ key, key_sha256: keySha256 })}\n`)
        return
      }
      const terminal = createTerminal(process.stdout, process.env)
      terminal.line(`${terminal.bold('key')}         ${key}`)
      terminal.line(`${terminal.bold('key_sha256')}  ${keySha256}`)
      terminal.line()
      terminal.line(
        terminal.dim('Give the key to the client. The configuration needs only the hash:'),
      )
      terminal.line()
      terminal.line('consumers:')
      terminal.line(`- username: ${consumer}`)
      terminal.line('  keyauth_credentials:')
      terminal.line(`  - key_sha256: ${keySha256}`)
      terminal.line()
      terminal.line(
        terminal.dim(
          'To rotate, list the new hash beside the old one, move the clients, drop the old one.',
        ),
      )
    })
  return keys
}
