import { Command } from 'commander'
import { configurationJsonSchema } from '../config/index.ts'
import { loadPlugins } from '../runtime/index.ts'

/** `pratu schema`: the configuration's JSON Schema, for editors. */
export function schemaCommand(): Command {
  return new Command('schema')
    .description('print the JSON Schema of the configuration file')
    .option('--plugins <modules>', 'plugin modules to include, comma-separated', '')
    .action(async ({ plugins }: { plugins: string }) => {
      const modules = plugins.split(',').filter((name) => name !== '')
      const schema = configurationJsonSchema(await loadPlugins(modules))
      process.stdout.write(`${JSON.stringify(schema, undefined, 2)}\n`)
    })
}
