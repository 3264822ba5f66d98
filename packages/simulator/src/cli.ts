import { readFileSync } from 'node:fs'
import { Command, InvalidArgumentError, Option } from 'commander'
import { parseRule, parseRules } from './faults/parse-rules.ts'
import type { FaultRule } from './faults/rules.ts'
import { createLatency } from './latency/latency.ts'
import { InvalidSetting } from './quantities.ts'
import { startSimulator } from './simulator.ts'
import type { Simulator } from './simulator.ts'
import type { SimulatorOptions } from './settings.ts'

const DEFAULT_PORT = 9001
const COMMAND_LINE_MAX_REQUESTS = 1_000

interface Flags {
  readonly host: string
  readonly port: number
  readonly seed: number
  readonly latency: string
  readonly tokensPerSecond?: number
  readonly completionTokens?: { readonly min: number; readonly max: number }
  readonly fault: readonly FaultRule[]
  readonly rules?: string
  readonly apiKey: readonly string[]
  readonly model: readonly string[]
  readonly strictModels?: true
  readonly record: number
  readonly control: boolean
  readonly tlsCert?: string
  readonly tlsKey?: string
  readonly quiet?: true
  readonly json?: true
}

function whole(text: string): number {
  if (!/^\d{1,10}$/.test(text)) throw new InvalidArgumentError('A whole number is expected.')
  return Number(text)
}

function positive(text: string): number {
  const value = Number(text)
  if (!(value > 0)) throw new InvalidArgumentError('A number above 0 is expected.')
  return value
}

function tokenRange(text: string): { min: number; max: number } {
  const match = /^(\d+)(?:-(\d+))?$/.exec(text)
  if (match === null)
    throw new InvalidArgumentError('A number or a range such as 16-48 is expected.')
  const min = Number(match[1])
  return { min, max: match[2] === undefined ? min : Number(match[2]) }
}

/** Turns what we throw about bad settings into what commander tells the user. */
function checked<T>(parse: (text: string) => T): (text: string) => T {
  return (text) => {
    try {
      return parse(text)
    } catch (error) {
      if (error instanceof InvalidSetting) throw new InvalidArgumentError(error.message)
      throw error
    }
  }
}

function collect<T>(
  parse: (text: string) => T,
): (text: string, previous: readonly T[]) => readonly T[] {
  const read = checked(parse)
  return (text, previous) => [...previous, read(text)]
}

function createCommand(version: string): Command {
  return new Command('pratu-simulator')
    .description(
      'A scripted LLM provider for tests, demos and benchmarks: OpenAI chat completions (JSON and streamed), embeddings and models, with latency from a distribution and faults on demand.',
    )
    .version(version)
    .addOption(
      new Option('-p, --port <number>', 'port to listen on; 0 takes any free one')
        .argParser(whole)
        .default(DEFAULT_PORT),
    )
    .option('--host <address>', 'address to listen on', '127.0.0.1')
    .addOption(
      new Option(
        '--seed <number>',
        'names all randomness: the same seed gives the same answers and latencies',
      )
        .argParser(whole)
        .default(1),
    )
    .addOption(
      new Option(
        '--latency <spec>',
        'article, 250ms, uniform:100ms-300ms or log-normal:180ms/450ms/890ms (p50/p95/p99)',
      )
        .argParser(
          checked((text) => {
            createLatency(text)
            return text
          }),
        )
        .default('0ms'),
    )
    .addOption(
      new Option(
        '--tokens-per-second <number>',
        'pace of streams after the first token (default: as fast as they are taken)',
      ).argParser(positive),
    )
    .addOption(
      new Option(
        '--completion-tokens <range>',
        'length of answers, 40 or 16-48 (default: 16-48)',
      ).argParser(tokenRange),
    )
    .addOption(
      new Option(
        '--fault <rule>',
        'what goes wrong, for all requests or behind conditions; may be repeated, the first match wins',
      )
        .argParser(collect(parseRule))
        .default([], 'none'),
    )
    .option('--rules <file>', 'a JSON file with more fault rules')
    .addOption(
      new Option('--api-key <key>', 'accept this key only; may be repeated')
        .argParser(collect((text) => text))
        .default([], 'any or none'),
    )
    .addOption(
      new Option('--model <name>', 'a model to list; may be repeated')
        .argParser(collect((text) => text))
        .default([], 'a dozen well-known names'),
    )
    .option('--strict-models', 'answer 404 for models that are not listed')
    .addOption(
      new Option('--record <number>', 'requests kept for /__simulator/requests; 0 keeps none')
        .argParser(whole)
        .default(COMMAND_LINE_MAX_REQUESTS),
    )
    .option('--no-control', 'do not serve /__simulator/')
    .option('--tls-cert <file>', 'serve HTTPS with this certificate (PEM)')
    .option('--tls-key <file>', 'its private key (PEM)')
    .option('-q, --quiet', 'print nothing')
    .option('--json', 'print one line of JSON when ready')
    .addHelpText(
      'after',
      `
Examples:
  $ pratu-simulator --port 9001 --latency article --tokens-per-second 50
  $ pratu-simulator --fault 'nth=every:10 => status=429; retry-after=2'
  $ pratu-simulator --fault 'model=gpt-5* => reset=after-tokens:5'
  $ curl -H 'x-simulator-fault: status=503' http://127.0.0.1:9001/v1/chat/completions -d '{…}'

Faults (all of them: docs/simulator.md): status=503, retry-after=2, delay=200ms, hang, reset, reset=after-tokens:5,
close=half, no-terminal, short-body, extra-bytes, garbage, malformed-event, segment=1, huge-event=8mb, invalid-json,
html, gzip, informational=103*10000, header-bytes=100kb, bad-header=nul, usage=missing, close-on-reuse, endless=10mb
`,
    )
}

function readRules(file: string): readonly FaultRule[] {
  const text = readFileSync(file, 'utf8')
  try {
    const value: unknown = JSON.parse(text)
    return parseRules(value)
  } catch (error) {
    throw new InvalidSetting(
      `--rules ${file}: ${error instanceof Error ? error.message : String(error)}`,
    )
  }
}

function toOptions(flags: Flags): SimulatorOptions {
  if ((flags.tlsCert === undefined) !== (flags.tlsKey === undefined)) {
    throw new InvalidSetting('--tls-cert and --tls-key belong together: give both or none')
  }
  const fromFile = flags.rules === undefined ? [] : readRules(flags.rules)
  return {
    host: flags.host,
    port: flags.port,
    seed: flags.seed,
    latency: flags.latency,
    rules: [...flags.fault, ...fromFile],
    apiKeys: flags.apiKey,
    strictModels: flags.strictModels ?? false,
    record: { maxRequests: flags.record },
    control: flags.control,
    ...(flags.model.length === 0 ? {} : { models: flags.model }),
    ...(flags.tokensPerSecond === undefined ? {} : { tokensPerSecond: flags.tokensPerSecond }),
    ...(flags.completionTokens === undefined ? {} : { completionTokens: flags.completionTokens }),
    ...(flags.tlsCert === undefined || flags.tlsKey === undefined
      ? {}
      : {
          tls: {
            cert: readFileSync(flags.tlsCert, 'utf8'),
            key: readFileSync(flags.tlsKey, 'utf8'),
          },
        }),
  }
}

function announce(simulator: Simulator, flags: Flags): void {
  if (flags.json === true) {
    const ready = {
      event: 'ready',
      url: simulator.url,
      port: simulator.port,
      pid: process.pid,
      seed: flags.seed,
    }
    process.stdout.write(`${JSON.stringify(ready)}\n`)
  } else if (flags.quiet !== true) {
    process.stdout.write(
      `pratu-simulator is ready: ${simulator.url}/v1 (seed ${flags.seed}, latency ${flags.latency}). Ctrl-C stops it.\n`,
    )
  }
}

/** Waits for SIGTERM or SIGINT; the second one finds no handler and kills. */
function terminated(): Promise<void> {
  return new Promise((resolve) => {
    const stop = (): void => {
      process.off('SIGTERM', stop)
      process.off('SIGINT', stop)
      resolve()
    }
    process.on('SIGTERM', stop)
    process.on('SIGINT', stop)
  })
}

function packageVersion(): string {
  const manifest: unknown = JSON.parse(
    readFileSync(new URL('../package.json', import.meta.url), 'utf8'),
  )
  const version =
    typeof manifest === 'object' && manifest !== null && 'version' in manifest
      ? manifest.version
      : undefined
  return typeof version === 'string' ? version : 'unknown'
}

/**
 * Runs the command until it is told to stop.
 *
 * @param argv as `process.argv`: interpreter, script, arguments.
 */
export async function main(argv: readonly string[]): Promise<void> {
  const command = createCommand(packageVersion())
  command.parse(argv)
  const flags: Flags = command.opts()
  let simulator: Simulator
  try {
    simulator = await startSimulator(toOptions(flags))
  } catch (error) {
    process.stderr.write(
      `pratu-simulator: ${error instanceof Error ? error.message : String(error)}\n`,
    )
    process.exitCode = 1
    return
  }
  const stopped = terminated()
  announce(simulator, flags)
  await stopped
  await simulator.close()
}
