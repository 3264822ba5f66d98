import { Command } from 'commander'
import * as z from 'zod'
import { askAdmin } from './admin-request.ts'
import { createTerminal, type Terminal } from './terminal.ts'

interface Options {
  readonly consumer?: readonly string[]
  readonly scope?: readonly string[]
  readonly meter?: string
  readonly adminUrl: string
  readonly json?: boolean
}

const HELP = `
Asks the admin API of a running gateway, at --admin-url; PRATU_ADMIN_TOKEN is sent when it is set.

  pratu limits show                              every limit, and what is counted
  pratu limits show --consumer alice             what alice has left
  pratu limits reset --consumer alice            alice begins anew, with every limit
  pratu limits reset --consumer alice --meter ID with this one only`

const DEFAULT_URL = 'http://127.0.0.1:8080'

/** `pratu limits show|reset`: what limits have counted, in a running gateway. */
export function limitsCommand(): Command {
  const limits = new Command('limits')
    .description('show what limits have counted, or set it to zero')
    .addHelpText('after', HELP)
  const common = (command: Command): Command =>
    command
      .option('--consumer <name...>', 'of these consumers: username, custom id or id')
      .option('--scope <scope...>', 'of these scopes, as they are counted')
      .option('--meter <id>', 'only of this limit')
      .option('--admin-url <url>', 'where the admin API is', DEFAULT_URL)
      .option('--json', 'print JSON')
  limits.addCommand(
    common(new Command('show').description('list limits and what is counted')).action(
      async (options: Options) => {
        process.exitCode = await show(options)
      },
    ),
  )
  limits.addCommand(
    common(new Command('reset').description('forget what was counted')).action(
      async (options: Options) => {
        process.exitCode = await reset(options)
      },
    ),
  )
  return limits
}

const scopeSchema = z.object({
  scope: z.string(),
  name: z.string().optional(),
  used: z.number().optional(),
  remaining: z.number().optional(),
  reset_ms: z.number().optional(),
})

const limitSchema = z.object({
  id: z.string(),
  quantity: z.string(),
  window: z.record(z.string(), z.union([z.string(), z.number()])),
  limit: z.number(),
  mode: z.string(),
  store: z.string(),
  scopes: z.array(scopeSchema),
})

const shownSchema = z.object({ data: z.array(limitSchema) })
const resetSchema = z.object({
  reset: z.object({ meters: z.number(), scopes: z.array(z.string()) }),
})

type Limit = z.output<typeof limitSchema>

async function show(options: Options): Promise<number> {
  const answer = await ask('GET', options)
  if (answer === undefined) return 1
  const shown = shownSchema.safeParse(answer)
  if (!shown.success) return complain('the answer is not that of a Pratu admin API')
  if (options.json === true) print(JSON.stringify(answer, undefined, 2))
  else printLimits(shown.data.data)
  return 0
}

async function reset(options: Options): Promise<number> {
  const answer = await ask('DELETE', options)
  if (answer === undefined) return 1
  const done = resetSchema.safeParse(answer)
  if (!done.success) return complain('the answer is not that of a Pratu admin API')
  if (options.json === true) print(JSON.stringify(answer))
  else {
    const { meters, scopes } = done.data.reset
    print(`${scopes.join(', ')}: ${meters} ${meters === 1 ? 'limit begins' : 'limits begin'} anew`)
  }
  return 0
}

/** @returns the answer's JSON; `undefined` after telling what is wrong. */
async function ask(method: 'GET' | 'DELETE', options: Options): Promise<unknown> {
  const url = targetOf(options)
  if (url === undefined) {
    complain(`--admin-url: '${options.adminUrl}' is no URL; write ${DEFAULT_URL}`)
    return undefined
  }
  try {
    const { status, body } = await askAdmin(method, url, process.env['PRATU_ADMIN_TOKEN'])
    if (status >= 200 && status < 300) return body
    const told = z.object({ message: z.string() }).safeParse(body)
    complain(told.success ? told.data.message : `the admin API answered ${status}`)
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    complain(
      `no answer from ${url.origin}: ${reason}; is the gateway running, and its admin port there?`,
    )
  }
  return undefined
}

function targetOf({ adminUrl, consumer = [], scope = [], meter }: Options): URL | undefined {
  if (!URL.canParse(adminUrl)) return undefined
  const url = new URL(adminUrl)
  url.pathname = `${url.pathname.replace(/\/$/, '')}/limits`
  for (const one of consumer) url.searchParams.append('consumer', one)
  for (const one of scope) url.searchParams.append('scope', one)
  if (meter !== undefined) url.searchParams.set('meter', meter)
  return url
}

function complain(text: string): 1 {
  process.stderr.write(`${text}\n`)
  return 1
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

function printLimits(limits: readonly Limit[]): void {
  const terminal = createTerminal(process.stdout, process.env)
  if (limits.length === 0) terminal.line('no limits are configured')
  for (const limit of limits) printLimit(terminal, limit)
}

function printLimit(terminal: Terminal, limit: Limit): void {
  const { id, quantity, window, store, mode } = limit
  const report = mode === 'report' ? ', only counted' : ''
  terminal.line(
    `${terminal.bold(id)}  ${amount(limit.limit, quantity)}${unitOf(quantity)} ${windowText(window)}, in ${store}${report}`,
  )
  if (limit.scopes.length === 0) terminal.line(terminal.dim('  nothing is counted'))
  for (const { scope, name, used, remaining, reset_ms: resetMs } of limit.scopes) {
    const who = name === undefined ? scope : `${name} (${scope})`
    if (used === undefined || remaining === undefined) {
      terminal.line(`  ${who}  ${terminal.red('unknown: the store is away')}`)
      continue
    }
    const left = `${amount(remaining, quantity)} left`
    const until = resetMs === undefined || resetMs === 0 ? '' : `, resets in ${duration(resetMs)}`
    terminal.line(
      `  ${who}  ${amount(used, quantity)} used, ${remaining === 0 ? terminal.red(left) : left}${terminal.dim(until)}`,
    )
  }
}

function unitOf(quantity: string): string {
  // The amount has a dollar sign.
  return quantity === 'nano_dollars'
    ? ''
    : ` ${quantity.replace('concurrent_', '').replaceAll('_', ' ')}`
}

function amount(value: number, quantity: string): string {
  if (quantity !== 'nano_dollars') return value.toLocaleString('en')
  return `$${(value / 1e9).toLocaleString('en', { maximumFractionDigits: 9 })}`
}

/** Behind what is counted: `per month (Europe/Berlin)`. */
function windowText(window: Limit['window']): string {
  const { kind, period, time_zone: zone, length_ms: length } = window
  if (kind === 'calendar') return `per ${period}${zone === 'UTC' ? '' : ` (${zone})`}`
  if (kind === 'concurrency') return 'at once'
  return `per ${duration(Number(length))} (${kind})`
}

const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
] as const

/** The two largest units: `3d 4h`. */
function duration(ms: number): string {
  const parts: string[] = []
  let left = Math.max(1000, ms)
  for (const [unit, unitMs] of UNITS) {
    const count = Math.floor(left / unitMs)
    left -= count * unitMs
    if (count > 0 && parts.length < 2) parts.push(`${count}${unit}`)
  }
  return parts.join(' ')
}
