import { Command } from 'commander'
import { KONG_VERSION, PRATU_VERSION } from '../runtime/index.ts'

export function versionCommand(): Command {
  return new Command('version').description('print the versions').action(() => {
    process.stdout.write(
      `pratu ${PRATU_VERSION} (Kong profile ${KONG_VERSION}, Node.js ${process.versions.node})\n`,
    )
  })
}
