import { Command, Option } from 'commander'
import {
  NodeSettingsError,
  readHostFacts,
  readNodeSettings,
  renderDiagnostics,
  type NodeFlags,
  type NodeSettings,
} from '../config/index.ts'
import {
  bindToProcess,
  ConfigurationRefused,
  PluginModuleError,
  StartFailed,
  startGateway,
} from '../runtime/index.ts'
import { printBanner } from './banner.ts'
import { startDemo, type Demo } from './demo-mode.ts'
import { createTerminal } from './terminal.ts'

interface StartFlags {
  readonly config?: string
  readonly port?: string
  readonly proxyListen?: string
  readonly adminListen?: string
  readonly workers?: string
  readonly logLevel?: string
}

/** `pratu start`: serves a configuration, or a demo when there is none. */
export function startCommand(): Command {
  return new Command('start')
    .description('serve a configuration; without one, a demo with everything on')
    .option(
      '-c, --config <path>',
      'declarative configuration: a file, or a folder whose files are merged',
    )
    .option('-p, --port <port>', 'proxy port (8000)')
    .option('--proxy-listen <address:port>', 'where to serve (0.0.0.0:8000; the demo: 127.0.0.1)')
    .option('--admin-listen <address:port>', 'metrics, status and Admin API (127.0.0.1:8080)')
    .option('-w, --workers <count>', 'serving threads, or auto for one per CPU (1)')
    .addOption(
      new Option('--log-level <level>', 'how much to log (info)').choices([
        'debug',
        'info',
        'warn',
        'error',
        'fatal',
      ]),
    )
    .addHelpText(
      'after',
      '\nSignals: SIGTERM drains, SIGINT drains faster, a second one exits, SIGHUP reloads.',
    )
    .action(async (flags: StartFlags) => {
      const code = await start(flags)
      if (code !== 0) process.exit(code)
    })
}

async function start(flags: StartFlags): Promise<number> {
  let demo: Demo | undefined
  try {
    const { settings: given, warnings } = readNodeSettings(
      nodeFlags(flags),
      process.env,
      readHostFacts(),
    )
    let settings: NodeSettings = given
    if (settings.configuration === undefined) {
      demo = await startDemo(settings, flags, process.env)
      settings = demo.settings
    }
    const gateway = await startGateway({ settings, environment: process.env, warnings })
    bindToProcess({
      drain: settings.drain,
      logger: gateway.logger,
      flushLogs: (maxMs) => gateway.flushLogs(maxMs),
      stop: async (drain, hurry) => {
        await gateway.drain(drain, hurry)
        await demo?.close()
      },
      reload: () => void gateway.reload('signal'),
      blame: () => gateway.blame(),
    })
    const terminal = createTerminal(process.stdout, process.env)
    if (demo !== undefined || terminal.colour) printBanner(terminal, gateway, demo)
    return 0
  } catch (error) {
    await demo?.close()
    return explain(error)
  }
}

/** Flags by the names of the node's settings, without dashes. */
function nodeFlags({
  config,
  port,
  proxyListen,
  adminListen,
  workers,
  logLevel,
}: StartFlags): NodeFlags {
  return {
    config,
    port,
    'proxy-listen': proxyListen,
    'admin-listen': adminListen,
    workers,
    'log-level': logLevel,
  }
}

/** A start that fails says why in words, not with a stack (F55). */
function explain(error: unknown): number {
  const terminal = createTerminal(process.stderr, process.env)
  if (error instanceof ConfigurationRefused) {
    const { message, problems } = error.failure
    if (problems.length > 0) terminal.line(renderDiagnostics(problems, { colour: terminal.colour }))
    terminal.line(terminal.red(`pratu did not start: ${message}`))
  } else if (
    error instanceof NodeSettingsError ||
    error instanceof PluginModuleError ||
    error instanceof StartFailed
  ) {
    terminal.line(terminal.red(`pratu did not start: ${error.message}`))
  } else if (isSystemError(error)) {
    terminal.line(terminal.red(`pratu did not start: ${systemReason(error)}`))
  } else {
    throw error
  }
  return 1
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'code' in error && 'syscall' in error
}

function systemReason(error: NodeJS.ErrnoException): string {
  const where = 'port' in error ? ` (port ${String(error.port)})` : ''
  switch (error.code) {
    case 'EADDRINUSE':
      return `the address is in use${where}; choose another with --port or --admin-listen`
    case 'EACCES':
      return `not permitted${where}: ${error.message}`
    default:
      return error.message
  }
}
