import { Command, Option } from 'commander'
import {
  adviseOn,
  ConfigurationUnreadable,
  NodeSettingsError,
  parseConfiguration,
  readConfigurationSources,
  readHostFacts,
  readNodeSettings,
  renderDiagnostics,
  type Diagnostic,
} from '../config/index.ts'
import { loadPlugins, PluginModuleError, remarkOnRedis } from '../runtime/index.ts'
import { createTerminal } from './terminal.ts'

interface CheckOptions {
  readonly format: 'text' | 'json'
  readonly advice: boolean
}

/** `pratu check F`: what is wrong with a configuration, and what its author may not have meant. */
export function checkCommand(): Command {
  return new Command('check')
    .description('validate a configuration and say what could be better')
    .argument('<path>', 'a file, or a folder whose files are merged')
    .addOption(
      new Option('--format <format>', 'how to print').choices(['text', 'json']).default('text'),
    )
    .option('--no-advice', 'only errors and warnings')
    .addHelpText(
      'after',
      '\nExits with 1 when there is an error, with 0 otherwise: warnings and advice do not fail.',
    )
    .action(async (path: string, options: CheckOptions) => {
      process.exitCode = await check(path, options)
    })
}

async function check(path: string, { format, advice }: CheckOptions): Promise<number> {
  let diagnostics: readonly Diagnostic[]
  try {
    diagnostics = await diagnose(path, advice)
  } catch (error) {
    if (
      error instanceof ConfigurationUnreadable ||
      error instanceof PluginModuleError ||
      error instanceof NodeSettingsError
    ) {
      process.stderr.write(`${error.message}\n`)
      return 1
    }
    throw error
  }
  const count = (severity: Diagnostic['severity']): number =>
    diagnostics.filter((diagnostic) => diagnostic.severity === severity).length
  const errors = count('error')
  if (format === 'json') {
    const body = {
      ok: errors === 0,
      errors,
      warnings: count('warning'),
      advice: count('advice'),
      diagnostics,
    }
    process.stdout.write(`${JSON.stringify(body, undefined, 2)}\n`)
  } else {
    printText(diagnostics, errors)
  }
  return errors === 0 ? 0 : 1
}

function printText(diagnostics: readonly Diagnostic[], errors: number): void {
  const terminal = createTerminal(process.stdout, process.env)
  if (diagnostics.length > 0)
    terminal.line(renderDiagnostics(diagnostics, { colour: terminal.colour }))
  const rest = diagnostics.length - errors
  if (errors > 0)
    terminal.line(terminal.red(`${plural(errors, 'error')}: the configuration is not valid`))
  else if (rest > 0) terminal.line(terminal.green(`valid, with ${plural(rest, 'remark')}`))
  else terminal.line(terminal.green('valid'))
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}

async function diagnose(path: string, advice: boolean): Promise<readonly Diagnostic[]> {
  const { settings } = readNodeSettings({}, process.env, readHostFacts())
  const parsed = parseConfiguration(await readConfigurationSources({ kind: 'path', path }), {
    plugins: await loadPlugins(settings.pluginModules),
    enabledPlugins: settings.plugins,
    environment: process.env,
    compatibility: settings.compatibility,
  })
  if (!parsed.ok) return parsed.problems
  const { entities, written } = parsed
  const found = await remarkOnRedis({ entities, settings, pathOf: (id) => written.pathOf(id) })
  const remarks = [...adviseOn(entities, settings, written), ...written.diagnose(found)]
  return [...parsed.warnings, ...remarks.filter(({ severity }) => advice || severity !== 'advice')]
}
