import type { ListenAddress } from '../config/index.ts'
import { PRATU_VERSION, type Gateway } from '../runtime/index.ts'
import type { Demo } from './demo-mode.ts'
import { demoCurl } from './demo.ts'
import type { Terminal } from './terminal.ts'

/** A few lines for a person: where it listens and, in a demo, what to paste. */
export function printBanner(terminal: Terminal, gateway: Gateway, demo: Demo | undefined): void {
  const proxy = originOf(gateway.proxyAddresses[0])
  const admin = originOf(gateway.adminAddresses[0])
  terminal.line(`${terminal.bold('Pratu')} ${PRATU_VERSION}`)
  terminal.line(`  proxy    ${proxy}`)
  terminal.line(`  metrics  ${admin}/metrics`)
  terminal.line(`  status   ${admin}/status`)
  if (demo === undefined) {
    terminal.line()
    return
  }
  terminal.line(
    `  demo     proxying to ${demo.upstream.label}; key-auth, rate limit, cache and metrics are on`,
  )
  terminal.line()
  terminal.line(terminal.bold('Your key'))
  terminal.line(demo.key)
  terminal.line()
  terminal.line(terminal.bold('Your first answer'))
  terminal.line(demoCurl(demo.upstream, proxy, demo.key, false))
  terminal.line()
  terminal.line(terminal.bold('The same, streamed'))
  terminal.line(demoCurl(demo.upstream, proxy, demo.key, true))
  terminal.line()
  terminal.line(
    terminal.dim('Ctrl-C stops it. Your own configuration: pratu start --config kong.yml'),
  )
  terminal.line()
}

function originOf(address: ListenAddress | undefined): string {
  if (address === undefined) return '(off)'
  const host = address.host === '0.0.0.0' || address.host === '::' ? '127.0.0.1' : address.host
  return `http://${host.includes(':') ? `[${host}]` : host}:${address.port}`
}
